import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { FakeClock, realClock } from '../../platform/clock.ts';
import { ChannelClient } from '../channel-client.suite.ts';
import { hypervisorSuite } from '../hypervisor.suite.ts';
import type { VmSpec } from '../hypervisor.ts';
import { temporaryFolder } from '../qemu/scripts.suite.ts';
import { FakeHost, FakeHypervisor } from './fake-hypervisor.ts';

const missing = '/missing/kernel';

function spec(kernelPath = '/kernel'): VmSpec {
  return {
    ...{ id: randomUUID(), memoryMiB: 128, vcpus: 1, kernelPath, runDir: '/run' },
    ...{ initrdPath: '/initrd', rootPath: '/root.squashfs', rootFsType: 'squashfs' },
  };
}

hypervisorSuite('fake', async () => {
  const host = new FakeHost();
  const make = () =>
    new FakeHypervisor({
      host,
      clock: realClock,
      bootOf: ({ kernelPath }) => ({ outcome: kernelPath === missing ? 'exit' : 'agent', afterMs: 1 }),
    });
  return {
    hypervisor: make(),
    restarted: make(),
    spec,
    specWithoutKernel: () => spec(missing),
    commands: {
      print: (text) => ['echo', text],
      printError: (text) => ['echo-error', text],
      exit: (code) => ['exit', String(code)],
      sleepLong: ['sleep', '60000'],
      remember: (name, text) => ['remember', name, text],
      recall: (name) => ['recall', name],
    },
    templateDir: temporaryFolder,
    close: async () => {
      expect(host.live).toEqual([]);
    },
  };
});

describe('a fake guest', () => {
  const boot = async () => {
    const hypervisor = new FakeHypervisor({ clock: realClock });
    const vm = await hypervisor.start(spec());
    return { vm, hypervisor, client: new ChannelClient(vm.channel) };
  };

  it('sends no more than it was granted, and the rest once it is', async () => {
    const { client } = await boot();
    const bytes = 3 * 1024 * 1024 + 5;
    const { stdout } = await client.exec(['flood', String(bytes)]);
    expect(stdout.length).toBe(bytes);
    expect(client.mostInFlight).toBeLessThanOrEqual(1024 * 1024);
  });

  it('ends its VM when the command says so, with words on the console', async () => {
    const { vm, client } = await boot();
    await expect(client.exec(['crash'])).rejects.toThrow('the channel ended');
    expect(await vm.exited).toMatchObject({ code: 0 });
    expect(vm.console()).toContain('Kernel panic');
  });

  it('breaks the protocol when the command says so', async () => {
    const { client } = await boot();
    await expect(client.exec(['garbage'])).rejects.toMatchObject({ code: 'GUEST_PROTOCOL' });
  });

  it('does not survive a host that breaks the protocol', async () => {
    const { vm } = await boot();
    vm.channel.write(Buffer.alloc(9, 0xff));
    expect(await vm.exited).toMatchObject({ signal: null });
    expect(vm.console()).toContain('broke the protocol');
  });

  it('is removed from its host when it ends', async () => {
    const { vm, hypervisor } = await boot();
    expect(hypervisor.host.live).toEqual([vm]);
    await vm.kill();
    expect(hypervisor.host.live).toEqual([]);
  });
});

describe('a fake boot', () => {
  it('is as slow as it is told to be', async () => {
    const clock = new FakeClock();
    const bootOf = () => ({ outcome: 'agent', afterMs: 1_500 }) as const;
    const vm = await new FakeHypervisor({ clock, bootOf }).start(spec());
    let answered = false;
    const hello = new ChannelClient(vm.channel).hello().then(() => {
      answered = true;
    });
    clock.advance(1_499);
    await new Promise(setImmediate);
    expect(answered).toBe(false);
    clock.advance(1);
    await hello;
  });

  it('can hang, and the VM be killed all the same', async () => {
    const clock = new FakeClock();
    const hypervisor = new FakeHypervisor({ clock, bootOf: () => ({ outcome: 'hang', afterMs: 0 }) });
    const vm = await hypervisor.start(spec());
    const hello = new ChannelClient(vm.channel).hello();
    await Promise.all([vm.kill(), expect(hello).rejects.toThrow('the channel ended')]);
  });

  it('can be refused, counting from the first', async () => {
    const bootOf = (_: VmSpec, nth: number) =>
      nth === 1 ? 'refuse' : ({ outcome: 'agent', afterMs: 0 } as const);
    const hypervisor = new FakeHypervisor({ clock: realClock, bootOf });
    await expect(hypervisor.start(spec())).rejects.toMatchObject({ code: 'VM_BOOT_FAILED' });
    await (await hypervisor.start(spec())).kill();
    expect(hypervisor.starts).toBe(2);
  });

  it('is impossible on a host that cannot run VMs', async () => {
    const hypervisor = new FakeHypervisor({ clock: realClock, unavailable: 'no such luck' });
    await expect(hypervisor.start(spec())).rejects.toMatchObject({
      code: 'VM_MANAGER_UNAVAILABLE',
      message: expect.stringContaining('no such luck'),
    });
  });
});
