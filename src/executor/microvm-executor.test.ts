import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SubmitJob } from '../contract/job.ts';
import { limits } from '../domain/limits.ts';
import type { FakeHypervisorDeps } from '../hypervisor/fake/fake-hypervisor.ts';
import { silentLog } from '../platform/log.ts';
import { fastClock, VmHost } from '../vm/vm-host.suite.ts';
import { VmService } from '../vm/vm-service.ts';
import { type ExecutorContext, executorSuite, TestExecution, waitUntil } from './executor.suite.ts';
import type { Outcome } from './executor.ts';
import { guestLimitsSuite } from './guest-limits.suite.ts';
import { MicrovmExecutor } from './microvm-executor.ts';

const commands: ExecutorContext['commands'] = {
  exit: (code) => ['exit', String(code)],
  signal: (number) => ['signal', String(number)],
  print: (text) => ['echo', text],
  printError: (text) => ['echo-error', text],
  cat: () => ['cat'],
  sleepLong: () => ['sleep', '6000000'],
  stubborn: () => ['stubborn', '6000000'],
  flood: (bytes) => ['flood', String(bytes)],
  tell: ({ percent, message = '', result, artifacts = {} }) => [
    'write',
    ...(percent === undefined ? [] : ['BLIXARD_PROGRESS', `${percent} ${message}\n`]),
    ...(result === undefined ? [] : ['BLIXARD_RESULT', result]),
    ...Object.entries(artifacts).flatMap(([name, text]) => [`BLIXARD_ARTIFACTS/${name}`, text]),
  ],
  showInput: (name) => ['read', `BLIXARD_INPUTS/${name}`],
};

executorSuite('MicrovmExecutor over fake VMs', async () => {
  const host = await VmHost.make();
  const vms = await host.open();
  return {
    executor: new MicrovmExecutor({ vms, clock: fastClock, log: silentLog, stopGraceMs: 500 }),
    commands,
    live: async () => vms.count() + host.host.live.length + (await host.folders()).length,
    close: () => host.clean(),
  };
});

describe('limits of a job in a fake guest', () => {
  let host: VmHost;
  let vms: VmService;
  beforeEach(async () => {
    host = await VmHost.make();
    vms = await host.open();
  });
  afterEach(() => host.clean());

  guestLimitsSuite(
    (mib, processes) => ['take', String(mib * 1_024 ** 2), String(processes)],
    () => new MicrovmExecutor({ vms, clock: fastClock, log: silentLog }),
  );
});

describe('MicrovmExecutor', () => {
  let host: VmHost;
  beforeEach(async () => {
    host = await VmHost.make();
  });
  afterEach(() => host.clean());

  const runIn = async (vms: VmService, submit: SubmitJob): Promise<[Outcome, TestExecution]> => {
    const executor = new MicrovmExecutor({ vms, clock: fastClock, log: silentLog, stopGraceMs: 500 });
    const execution = new TestExecution(submit);
    const outcome = await executor.run(execution);
    await waitUntil(() => vms.count() === 0);
    expect(await host.folders().catch(() => [])).toEqual([]);
    return [outcome, execution];
  };

  it('tells the facts of the VM', async () => {
    const [outcome] = await runIn(await host.open(), { command: ['exit', '0'] });
    expect(outcome.vm).toMatchObject({
      hypervisor: 'fake',
      accel: 'tcg',
      start: 'boot',
      image: 'sha256:1234',
    });
  });

  it('has jobs of isolation shared take turns in one VM, each told of those before it, and nothing left', async () => {
    const bounds = { min: 0, target: 0, max: 1, coolDownMs: 600_000 };
    const life = { jobsMax: 100, uptimeMaxMs: 3_600_000, memoryPercentMax: 90 };
    const vms = await host.open({ services: { ...bounds, ...life } });
    const executor = new MicrovmExecutor({ vms, clock: fastClock, log: silentLog, stopGraceMs: 500 });
    const run = (command: string[]) =>
      executor.run(new TestExecution({ command, isolation: 'shared', tenant: 'ann' }));
    const first = await run(['write', 'BLIXARD_ARTIFACTS/a', 'x', '/work/a', 'x']);
    expect(first.vm).toMatchObject({ start: 'boot', jobsServed: 0 });
    const second = await run(['exit', '3']);
    expect(second).toMatchObject({ reason: 'exit', exitCode: 3 });
    expect(second.vm).toMatchObject({ vmId: first.vm?.vmId, start: 'service', jobsServed: 1 });
    const stopped = new TestExecution({
      command: ['stubborn', '6000000'],
      isolation: 'shared',
      tenant: 'ann',
      timeoutMs: 50,
    });
    const third = await executor.run(stopped);
    expect(third).toMatchObject({ reason: 'timeout', vm: { vmId: first.vm?.vmId } });
    await waitUntil(() => vms.count() === 0);
    expect((await run(['true'])).vm).toMatchObject({ start: 'boot', jobsServed: 0 });
  });

  it('gives a job that bounds its processes a VM of its own, and keeps the shared one for the others', async () => {
    const life = { jobsMax: 100, uptimeMaxMs: 3_600_000, memoryPercentMax: 90 };
    const vms = await host.open({
      services: { min: 0, target: 0, max: 1, coolDownMs: 600_000, ...life },
    });
    const executor = new MicrovmExecutor({ vms, clock: fastClock, log: silentLog, stopGraceMs: 500 });
    const run = (more: Partial<SubmitJob> = {}) =>
      executor.run(
        new TestExecution({ command: ['exit', '0'], isolation: 'shared', tenant: 'ann', ...more }),
      );
    const first = await run();
    const bounded = await run({ pids: 16 });
    expect(bounded).toMatchObject({ reason: 'exit', exitCode: 0, vm: { start: 'boot' } });
    expect(bounded.vm?.jobsServed).toBeUndefined();
    expect((await run()).vm).toMatchObject({ vmId: first.vm?.vmId, start: 'service', jobsServed: 1 });
  });

  it('sets PATH, HOME and what names the attempt, and lets the job set more', async () => {
    const [, root] = await runIn(await host.open(), {
      command: ['env'],
      env: { A: 'b', BLIXARD_ATTEMPT: '99' },
    });
    const lines = root.text('stdout').split('\n');
    expect(lines).toContain('PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin');
    expect(lines).toEqual(
      expect.arrayContaining(['cwd=/', 'uid=0', 'HOME=/root', 'A=b', 'BLIXARD_ATTEMPT=3']),
    );
    expect(lines).toContain(`BLIXARD_JOB_ID=${root.jobId}`);
  });

  it('another user has another home, and the job may choose its own', async () => {
    const vms = await host.open();
    const [, user] = await runIn(vms, { command: ['env'], uid: 1000, cwd: '/tmp' });
    expect(user.text('stdout').split('\n')).toEqual(
      expect.arrayContaining(['cwd=/tmp', 'uid=1000', 'HOME=/']),
    );
    const [, own] = await runIn(vms, { command: ['env'], env: { HOME: '/srv', PATH: '/opt' } });
    expect(own.text('stdout').split('\n')).toEqual(expect.arrayContaining(['HOME=/srv', 'PATH=/opt']));
  });

  it('a command that is not there is exit code 127, one the guest refuses is 126 with the reason', async () => {
    const vms = await host.open();
    const [missing] = await runIn(vms, { command: ['/no/such'] });
    expect(missing).toMatchObject({ reason: 'exit', exitCode: 127 });
    const [refused] = await runIn(vms, { command: ['echo', 'a\0b'] });
    expect(refused).toMatchObject({ reason: 'exit', exitCode: 126 });
    expect(refused.message).toContain('a NUL byte in command, env or cwd');
  });

  it('tells of the out-of-memory killer', async () => {
    const [outcome] = await runIn(await host.open(), { command: ['oom'] });
    expect(outcome).toMatchObject({ reason: 'oom', exitCode: null, signal: 9 });
  });

  it('a VM that ends in the middle is vm_crashed, with the end of its console', async () => {
    const vms = await host.open();
    const [crashed] = await runIn(vms, { command: ['crash'] });
    expect(crashed.reason).toBe('vm_crashed');
    expect(crashed.message).toContain('Kernel panic - not syncing: scripted');
    expect(crashed.message?.length).toBeLessThanOrEqual(limits.reasonLength);
    const [garbage] = await runIn(vms, { command: ['garbage'] });
    expect(garbage.reason).toBe('vm_crashed');
    expect(garbage.message).toContain('broke the protocol');
  });

  it('says that a stubborn command was killed', async () => {
    const [outcome] = await runIn(await host.open(), { command: ['stubborn', '6000000'], timeoutMs: 100 });
    expect(outcome.reason).toBe('timeout');
    expect(outcome.message).toBe(
      'the command ran longer than its timeout of 100ms; it did not end within 500ms of SIGTERM, so its VM was killed',
    );
  });

  it('tells which signal a stopped command ended on', async () => {
    const [outcome] = await runIn(await host.open(), { command: ['sleep', '6000000'], timeoutMs: 100 });
    expect(outcome).toMatchObject({ reason: 'timeout', signal: 15 });
  });

  it('what cannot be started has its reason', async () => {
    const probeOnly: FakeHypervisorDeps['bootOf'] = (_vm, nth) =>
      nth === 1 ? { outcome: 'agent', afterMs: 0 } : { outcome: 'exit', afterMs: 0 };
    const vms = await host.open({}, { bootOf: probeOnly });
    const [noBoot] = await runIn(vms, { command: ['exit', '0'] });
    expect(noBoot.reason).toBe('vm_boot_failed');
    const [noImage, execution] = await runIn(vms, { command: ['exit', '0'], image: 'other' });
    expect(noImage.reason).toBe('image_missing');
    expect(execution.starts).toBe(0);
    const [tooBig] = await runIn(vms, { command: ['exit', '0'], memoryMiB: 10_000_000 });
    expect(tooBig.reason).toBe('vm_too_large');
    expect(tooBig.message).toContain('never give a microVM as large: a VM of 10000000 MiB');
  });

  it('without VMs it says why, and runs nothing', async () => {
    const vms = VmService.unavailable('SKIP_VM_MANAGER is 1');
    expect(new MicrovmExecutor({ vms, clock: fastClock, log: silentLog }).unavailable()).toBe(
      'SKIP_VM_MANAGER is 1',
    );
    const [outcome] = await runIn(vms, { command: ['exit', '0'] });
    expect(outcome.reason).toBe('executor_unavailable');
    expect(outcome.message).toContain('VM manager is not available (SKIP_VM_MANAGER may be set)');
  });

  it('a cancel while the VM boots ends the boot', async () => {
    const bootOf: FakeHypervisorDeps['bootOf'] = (_vm, nth) => ({
      outcome: nth === 1 ? 'agent' : 'hang',
      afterMs: 0,
    });
    const vms = await host.open({}, { bootOf });
    const executor = new MicrovmExecutor({ vms, clock: fastClock, log: silentLog });
    const execution = new TestExecution({ command: ['exit', '0'] });
    const running = executor.run(execution);
    await waitUntil(() => host.host.live.length === 1);
    execution.stopper.abort('cancelled');
    expect(await running).toMatchObject({ reason: 'cancelled', vm: null });
    expect(execution.starts).toBe(0);
    expect(await host.folders()).toEqual([]);
  });

  it('an output nobody takes does not hold up the end of a killed VM for ever', async () => {
    const vms = await host.open();
    const executor = new MicrovmExecutor({ vms, clock: fastClock, log: silentLog, stopGraceMs: 100 });
    const execution = new TestExecution({ command: ['flood', '3000000'], timeoutMs: 100 });
    execution.onOutput = () => new Promise(() => undefined);
    expect(await executor.run(execution)).toMatchObject({ reason: 'timeout' });
    await waitUntil(() => vms.count() === 0);
  });

  it('a command that ended in time is no timeout, however late its output is taken', async () => {
    const vms = await host.open();
    const executor = new MicrovmExecutor({ vms, clock: fastClock, log: silentLog, stopGraceMs: 100 });
    const execution = new TestExecution({ command: ['echo', 'slowly'], timeoutMs: 1_000 });
    execution.onOutput = () => new Promise((resolve) => setTimeout(resolve, 200));
    expect(await executor.run(execution)).toMatchObject({ reason: 'exit', exitCode: 0, message: null });
  });
});
