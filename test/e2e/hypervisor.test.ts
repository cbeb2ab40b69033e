import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChannelClient } from '../../src/hypervisor/channel-client.suite.ts';
import { hypervisorSuite } from '../../src/hypervisor/hypervisor.suite.ts';
import type { ProcessIdentity, VmSpec } from '../../src/hypervisor/hypervisor.ts';
import { isRunning } from '../../src/hypervisor/process-table.ts';
import { probeKvm } from '../../src/hypervisor/qemu/kvm-probe.ts';
import { QemuHypervisor } from '../../src/hypervisor/qemu/qemu.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { baseImage, bootMany, makeSpecs, told } from './real-vms.ts';

const makeQemu = () => new QemuHypervisor({ clock: realClock, log: silentLog, accel: 'auto' });

hypervisorSuite('qemu', async () => {
  const specs = await makeSpecs(await baseImage());
  const templates = await mkdtemp(join(tmpdir(), 'blixard-templates-'));
  const shell = (script: string, ...args: string[]) => ['sh', '-c', script, 'sh', ...args];
  return {
    hypervisor: makeQemu(),
    restarted: makeQemu(),
    spec: specs.next,
    specWithoutKernel: () => ({ ...specs.next(), kernelPath: '/no/such/kernel' }),
    commands: {
      print: (text) => ['echo', text],
      printError: (text) => shell('echo "$1" >&2', text),
      exit: (code) => shell(`exit ${code}`),
      sleepLong: ['sleep', '60'],
      remember: (name, text) => shell('printf %s "$2" >/tmp/$1', name, text),
      recall: (name) => ['cat', `/tmp/${name}`],
    },
    templateDir: () => mkdtemp(join(templates, 'template-')),
    close: async () => {
      for (const dir of [specs.runDir, templates]) await rm(dir, { recursive: true });
    },
  };
});

describe('QEMU', () => {
  let specs: { runDir: string; next(): VmSpec };

  beforeAll(async () => {
    specs = await makeSpecs(await baseImage());
  });
  afterAll(() => rm(specs.runDir, { recursive: true }));

  it('boots 12 VMs, two at a time, and none hangs', async () => {
    const { helloMs, hung } = await bootMany(makeQemu(), specs, 12);
    process.stderr.write(`${told(helloMs)}\n`);
    expect(hung).toEqual([]);
    expect(helloMs).toHaveLength(12);
  });

  it('runs the base image, in which a job finds what it expects', async () => {
    const vm = await makeQemu().start(specs.next());
    const client = new ChannelClient(vm.channel);
    const { kernel } = await client.hello();
    expect((await baseImage()).labels['kernel']).toBe(kernel);
    const programs = 'sh bash uname sleep cat head dd seq env sha256sum free stat yes awk sed grep tar';
    const missing = `for program in ${programs}; do command -v $program >/dev/null || echo $program; done`;
    expect(await client.exec(['sh', '-c', missing])).toMatchObject({ code: 0, stdout: '' });
    const writable =
      'cd /root && echo x >a && cd /work && echo x >a && cd /tmp && echo x >a && stat -c %a /tmp';
    expect(await client.exec(['sh', '-c', writable])).toMatchObject({ code: 0, stdout: '1777\n' });
    expect(await client.exec(['bash', '-c', 'id -un && seq 3 | sha256sum'])).toMatchObject({
      stdout: `root\n${createHash('sha256').update('1\n2\n3\n').digest('hex')}  -\n`,
    });
    await vm.kill();
  });

  it('runs the toy guest that proves KVM to its end, here under software emulation', async () => {
    const [devicePath, cpuinfoPath] = [join(specs.runDir, 'kvm'), join(specs.runDir, 'cpuinfo')];
    await writeFile(devicePath, '');
    await writeFile(cpuinfoPath, 'flags\t\t: vmx\n');
    const program = 'qemu-system-x86_64';
    expect(await probeKvm({ program, clock: realClock, devicePath, cpuinfoPath, toyAccel: 'tcg' })).toEqual({
      usable: true,
      reason: 'a test guest ran under tcg',
    });
  });

  it('dies with a worker that is killed without a chance to say anything', async () => {
    const program = fileURLToPath(new URL('programs/start-vm.ts', import.meta.url));
    const spec = specs.next();
    const args = ['--import', 'tsx', program, JSON.stringify(spec)];
    const worker = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = await once(worker.stdout, 'data');
    const vmm = JSON.parse(String(line)) as ProcessIdentity;
    expect(isRunning(vmm)).toBe(true);
    worker.kill('SIGKILL');
    await expect.poll(() => isRunning(vmm), { timeout: 5_000 }).toBe(false);
    expect(await makeQemu().recover([spec.id])).toEqual([]);
  });
});
