/** What every driver of the Hypervisor port must do; run for the fake and for real QEMU. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { ChannelClient } from './channel-client.suite.ts';
import { type Hypervisor, type RunningVm, templateFiles, type VmSpec } from './hypervisor.ts';

/** A driver under test and what differs between drivers. */
export interface HypervisorContext {
  readonly hypervisor: Hypervisor;
  /** A second driver object on the same host, as a worker has after a restart. */
  readonly restarted: Hypervisor;
  /** A VM that boots; each call gives another id. */
  spec(): VmSpec;
  /** A VM whose kernel is not there. */
  specWithoutKernel(): VmSpec;
  /** Commands that the guest understands. */
  readonly commands: {
    print(text: string): readonly string[];
    printError(text: string): readonly string[];
    exit(code: number): readonly string[];
    readonly sleepLong: readonly string[];
    /** Keeps a text in the guest's memory, and prints it. */
    remember(name: string, text: string): readonly string[];
    recall(name: string): readonly string[];
  };
  /** A new, empty folder for a template. */
  templateDir(): Promise<string>;
  close(): Promise<void>;
}

export function hypervisorSuite(name: string, makeContext: () => Promise<HypervisorContext>): void {
  describe(`hypervisor ${name}`, () => {
    let context: HypervisorContext;
    const started: RunningVm[] = [];

    const start = async (spec: VmSpec): Promise<RunningVm> => {
      const vm = await context.hypervisor.start(spec);
      started.push(vm);
      return vm;
    };
    const boot = async (): Promise<{ vm: RunningVm; client: ChannelClient }> => {
      const vm = await start(context.spec());
      const client = new ChannelClient(vm.channel);
      await client.hello();
      return { vm, client };
    };

    beforeAll(async () => {
      context = await makeContext();
    });
    afterEach(async () => {
      await Promise.all(started.splice(0).map((vm) => vm.kill()));
    });
    afterAll(() => context.close());

    it('says what it runs on and why', async () => {
      const { driver, version, accel, accelReason } = await context.hypervisor.capabilities();
      expect(driver).toBe(context.hypervisor.name);
      expect(version).toMatch(/\d/);
      expect(['kvm', 'tcg']).toContain(accel);
      expect(accelReason).not.toBe('');
    });

    it('starts a VM whose agent answers a hello that was sent before it had booted', async () => {
      const spec = context.spec();
      const vm = await start(spec);
      expect(vm.id).toBe(spec.id);
      const hello = await new ChannelClient(vm.channel).hello();
      expect(hello.token).toBe('conformance');
      expect(hello.memoryKiB).toBeGreaterThan(0);
      expect(hello.memoryKiB).toBeLessThanOrEqual(spec.memoryMiB * 1024);
    });

    it('resets a guest between two commands, and not during one', async () => {
      const { vm, client } = await boot();
      const { remember, recall, sleepLong } = context.commands;
      expect(await client.between('note')).toBeUndefined();
      await client.exec(remember('word', 'secret'));
      expect((await client.exec(recall('word'))).stdout).toBe('secret');
      expect(await client.between('reset')).toBeUndefined();
      expect((await client.exec(recall('word'))).stdout).not.toContain('secret');
      const underWay = expect(client.exec(sleepLong)).rejects.toThrow('the channel ended');
      expect(await client.between('reset')).toBe('a command is under way');
      await vm.kill();
      await underWay;
    });

    it('carries commands in, and their output and exit codes out', async () => {
      const { client } = await boot();
      const { print, printError, exit } = context.commands;
      expect(await client.exec(print('hello'))).toMatchObject({ code: 0, stdout: 'hello\n', stderr: '' });
      expect(await client.exec(printError('oh'))).toMatchObject({ code: 0, stdout: '', stderr: 'oh\n' });
      expect(await client.exec(exit(3))).toMatchObject({ code: 3, signal: 0, stdout: '' });
      expect(await client.exec(['/no/such/program'])).toMatchObject({
        code: 127,
        stderr: expect.stringContaining('No such file'),
      });
    });

    it('gives the guest a time stamp counter that moves', async () => {
      const { client } = await boot();
      const before = await client.ping();
      expect(await client.ping()).toBeGreaterThanOrEqual(before);
      expect(before).toBeGreaterThan(0n);
    });

    it('tells once how a VM ended that was killed, however often it is killed', async () => {
      const { vm } = await boot();
      const [first, second] = await Promise.all([vm.kill(), vm.kill()]);
      expect(first).toEqual({ code: null, signal: 'SIGKILL', stderr: '' });
      expect(second).toBe(first);
      expect(await vm.kill()).toBe(first);
      expect(await vm.exited).toBe(first);
    });

    it('ends the channel of a VM that is killed in the middle of a command', async () => {
      const { vm, client } = await boot();
      const command = client.exec(context.commands.sleepLong);
      await Promise.all([vm.kill(), expect(command).rejects.toThrow('the channel ended')]);
    });

    it('tells that a VM ended whose guest powered off', async () => {
      const { vm, client } = await boot();
      client.powerOff();
      expect(await vm.exited).toEqual({ code: 0, signal: null, stderr: '' });
      await expect(client.ping()).rejects.toThrow('the channel ended');
    });

    it('runs two VMs at once that know nothing of each other', async () => {
      const [one, two] = await Promise.all([boot(), boot()]);
      expect(one.vm.identity).not.toEqual(two.vm.identity);
      expect((await one.client.hello()).bootId).not.toBe((await two.client.hello()).bootId);
      await one.vm.kill();
      expect(await two.client.exec(context.commands.print('alive'))).toMatchObject({ stdout: 'alive\n' });
    });

    it('keeps the console for whoever asks what went wrong', async () => {
      const { vm } = await boot();
      expect(vm.console()).not.toBe('');
      expect(Buffer.byteLength(vm.console())).toBeLessThanOrEqual(limits.consoleBytes);
    });

    it('says what is wrong when a VM cannot boot', async () => {
      const vm = await start(context.specWithoutKernel());
      const exit = await vm.exited;
      expect(exit.code).not.toBe(0);
      expect(exit.stderr).toMatch(/kernel/);
    });

    it('ends exactly the VMs it is asked to recover, and is safe with ids it does not find', async () => {
      const [left, kept] = await Promise.all([boot(), boot()]);
      const unknown = context.spec().id;
      const found = await context.restarted.recover([unknown, left.vm.id]);
      expect(found).toEqual([{ id: left.vm.id, pid: left.vm.identity.pid }]);
      expect(await left.vm.exited).toMatchObject({ signal: 'SIGKILL' });
      expect(await kept.client.exec(context.commands.exit(0))).toMatchObject({ code: 0 });
      expect(await context.restarted.recover([unknown, left.vm.id])).toEqual([]);
      expect(await context.restarted.recover([])).toEqual([]);
    });

    templates(() => ({ context, start, boot }));
  });
}

interface Suite {
  readonly context: HypervisorContext;
  start(spec: VmSpec): Promise<RunningVm>;
  boot(): Promise<{ vm: RunningVm; client: ChannelClient }>;
}

function templates(suite: () => Suite): void {
  const greeted = async (spec: VmSpec): Promise<{ vm: RunningVm; client: ChannelClient }> => {
    const vm = await suite().start(spec);
    const client = new ChannelClient(vm.channel);
    await client.hello();
    return { vm, client };
  };
  /** A template whose guest remembers who it is, and was killed since. */
  const make = async (): Promise<string> => {
    const { context } = suite();
    const dir = await context.templateDir();
    const { vm, client } = await greeted({ ...context.spec(), template: { act: 'make', dir } });
    expect(await client.exec(context.commands.remember('who', 'the template'))).toMatchObject({ code: 0 });
    await vm.save();
    await vm.kill();
    return dir;
  };
  const recall = (client: ChannelClient, name: string) =>
    client.exec(suite().context.commands.recall(name)).then(({ stdout }) => stdout.trim());

  it('pauses a guest, which then answers nothing until it is resumed', async () => {
    const { vm, client } = await suite().boot();
    await vm.pause();
    let answered = false;
    const pong = client.ping().then(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(answered).toBe(false);
    await vm.resume();
    await pong;
    await vm.kill();
    await expect(vm.pause()).rejects.toMatchObject({ code: 'VMM_REFUSED' });
  });

  it('starts VMs from a template, which have its memory, and none sees what another one does', async () => {
    const { context } = suite();
    const dir = await make();
    const spec = (): VmSpec => ({ ...context.spec(), template: { act: 'start', dir } });
    const [one, two] = await Promise.all([greeted(spec()), greeted(spec())]);
    expect(await recall(one.client, 'who')).toBe('the template');
    await one.client.exec(context.commands.remember('who', 'one'));
    expect(await recall(one.client, 'who')).toBe('one');
    expect(await recall(two.client, 'who')).toBe('the template');
    await Promise.all([one.vm.kill(), two.vm.kill()]);
    const three = await greeted(spec());
    expect(await recall(three.client, 'who')).toBe('the template');
    await three.vm.pause();
    await three.vm.resume();
    expect(await three.client.exec(context.commands.exit(3))).toMatchObject({ code: 3 });
    await expectToWait(dir);
  });

  /** One that waits says nothing before it goes on, and takes the template in then. */
  const expectToWait = async (dir: string): Promise<void> => {
    const { context, start } = suite();
    const vm = await start({ ...context.spec(), template: { act: 'start', dir, waits: true } });
    const client = new ChannelClient(vm.channel);
    let hasAnswered = false;
    const hello = client.hello().then(() => {
      hasAnswered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(hasAnswered).toBe(false);
    await vm.answers();
    await vm.resume();
    await hello;
    expect(await recall(client, 'who')).toBe('the template');
    const other = await start({ ...context.spec(), template: { act: 'start', dir, waits: true } });
    expect(await other.kill()).toMatchObject({ signal: 'SIGKILL' });
    await expect(other.answers()).rejects.toMatchObject({ code: 'VMM_REFUSED' });
  };

  it('saves only a VM that was started for it', async () => {
    const { vm, client } = await suite().boot();
    await expect(vm.save()).rejects.toMatchObject({ code: 'VMM_REFUSED' });
    expect(await client.exec(suite().context.commands.exit(0))).toMatchObject({ code: 0 });
  });

  it('says what is wrong when a template is of another machine, or damaged', async () => {
    const { context } = suite();
    const dir = await make();
    const other = await suite().start({ ...context.spec(), memoryMiB: 160, template: { act: 'start', dir } });
    expect((await other.exited).stderr).not.toBe('');
    await writeFile(join(dir, templateFiles.state), 'damaged');
    const damaged = await suite().start({ ...context.spec(), template: { act: 'start', dir } });
    expect((await damaged.exited).stderr).toContain('template');
  });

  it('tells specs apart whose templates are not for each other', async () => {
    const { hypervisor, spec } = suite().context;
    const of = ({ id: _, runDir: __, ...rest }: VmSpec) => hypervisor.fingerprint(rest);
    expect(await of(spec())).toBe(await of(spec()));
    expect(await of({ ...spec(), memoryMiB: 160 })).not.toBe(await of(spec()));
    expect(await of({ ...spec(), kernelPath: '/another' })).not.toBe(await of(spec()));
  });
}
