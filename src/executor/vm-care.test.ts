import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SubmitJob } from '../contract/job.ts';
import { decideEnd } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';
import { defaultBackoff } from '../domain/retry.ts';
import type { FakeHypervisorDeps } from '../hypervisor/fake/fake-hypervisor.ts';
import type { Image } from '../image/image-store.ts';
import { type Clock, realClock, sleep } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { breakerBounds } from '../vm/breaker.ts';
import { fastClock, VmHost } from '../vm/vm-host.suite.ts';
import type { VmService } from '../vm/vm-service.ts';
import { TestExecution, waitUntil } from './executor.suite.ts';
import type { Outcome } from './executor.ts';
import { MicrovmExecutor } from './microvm-executor.ts';

const health = { pingEveryMs: 200, pingTimeoutMs: 400 };

let host: VmHost;
beforeEach(async () => {
  host = await VmHost.make();
});
afterEach(() => host.clean());

const clockAtSpeed = (speed: number): Clock => ({
  nowMs: () => realClock.nowMs(),
  monotonicMs: () => realClock.monotonicMs() * speed,
  after: (delayMs, fire) => realClock.after(delayMs / speed, fire),
});

const executorOf = (vms: VmService): MicrovmExecutor =>
  new MicrovmExecutor({ vms, clock: fastClock, log: silentLog, stopGraceMs: 500 });

const runIn = (vms: VmService, submit: SubmitJob): Promise<Outcome> =>
  executorOf(vms).run(new TestExecution(submit));

describe('a VM that does not answer', () => {
  it('ends its attempt as vm_crashed and is gone, and another one runs the next', async () => {
    const vms = await host.open({ health });
    const execution = new TestExecution({ command: ['sleep', '6000000'] });
    const running = executorOf(vms).run(execution);
    await waitUntil(() => execution.starts === 1);
    host.host.live[0]?.freeze();
    const outcome = await running;
    expect(outcome).toMatchObject({ reason: 'vm_crashed', exitCode: null });
    expect(outcome.message).toContain(`unhealthy, no answer to ${limits.pingsMissed} pings in a row`);
    await waitUntil(() => vms.count() === 0);
    expect(host.host.live).toEqual([]);
    expect(await host.folders()).toEqual([]);
    expect(await runIn(vms, { command: ['exit', '3'] })).toMatchObject({ reason: 'exit', exitCode: 3 });
  });

  it('is not one whose output nobody takes', async () => {
    const vms = await host.open({ health });
    const execution = new TestExecution({ command: ['flood', '3000000'] });
    let takeAll = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      takeAll = resolve;
    });
    execution.onOutput = () => held;
    const running = executorOf(vms).run(execution);
    await new Promise((resolve) => setTimeout(resolve, 200));
    takeAll();
    expect(await running).toMatchObject({ reason: 'exit', exitCode: 0 });
  });
});

describe('an image that does not start', () => {
  /** Its kernel has another name; all else is as in `base`. */
  const brokenImage = (name: string): Image => {
    return { ...host.image, name, digest: `sha256:${name}`, kernelPath: `/broken/${name}` };
  };
  const bootOf: FakeHypervisorDeps['bootOf'] = ({ kernelPath }) => ({
    outcome: kernelPath.startsWith('/broken') ? 'exit' : 'agent',
    afterMs: 0,
  });
  const images = {
    find: async (name: string): Promise<Image | undefined> =>
      name.startsWith('broken') ? brokenImage(name) : host.images.find(name),
    list: () => host.images.list(),
  };
  const starts = (): number => host.drivers.at(-1)?.starts ?? 0;

  it('is not started again and again, and its neighbours go on', async () => {
    const vms = await host.open({ images }, { bootOf });
    const before = starts();
    for (let n = 0; n < 20; n++) {
      const outcome = await runIn(vms, { command: ['true'], image: 'broken' });
      expect(outcome.reason).toBe('vm_boot_failed');
      expect(outcome.message).toContain('could not load the kernel');
      if (n < breakerBounds.failuresMax) continue;
      expect(outcome.message).toContain('the next try is in');
      expect(outcome.retryInMs).toBeGreaterThan(breakerBounds.openMs / 2);
    }
    // Each start is tried twice; one more shows that the host is well.
    await waitUntil(() => starts() - before >= 2 * breakerBounds.failuresMax + 1);
    expect(starts() - before).toBe(2 * breakerBounds.failuresMax + 1);
    expect(vms.breakers()).toMatchObject([{ image: 'broken:latest', phase: 'open' }]);
    expect(vms.unavailableReason()).toBeNull();
    expect(await runIn(vms, { command: ['exit', '3'] })).toMatchObject({ reason: 'exit', exitCode: 3 });
  });

  /** Tries a job of the image again as the control node decides it, until it has failed. */
  async function failedJob(vms: VmService, clock: Clock) {
    let job = { attemptsUsed: 0, attemptsMax: 1, infraFailures: 0, cancelRequested: false };
    for (let waitedMs = 0; ; ) {
      const outcome = await runIn(vms, { command: ['true'], image: 'broken' });
      const decision = decideEnd({ ...job, backoff: defaultBackoff }, outcome, 0, 0.5);
      job = { ...job, ...decision };
      if (decision.state === 'failed') return { ...job, outcome, waitedMs };
      waitedMs += decision.runAtMs ?? 0;
      await sleep(clock, decision.runAtMs ?? 0);
    }
  }

  it('fails its jobs within two minutes, and tells that the image is broken and what mends it', async () => {
    const clock = clockAtSpeed(50);
    const vms = await host.open({ images, clock, bootTimeoutMs: 600_000 }, { bootOf });
    for (let n = 0; n < 2; n++) {
      const { outcome, waitedMs, attemptsUsed } = await failedJob(vms, clock);
      expect(outcome.reason).toBe('image_broken');
      expect(outcome.message).toMatch(
        /broken:latest with 128 MiB failed in a row, while others start on this host: build it anew/,
      );
      expect(outcome.message).toContain('could not load the kernel');
      expect(waitedMs).toBeLessThan(120_000);
      expect(attemptsUsed).toBe(0);
    }
    expect(await runIn(vms, { command: ['exit', '3'] })).toMatchObject({ reason: 'exit', exitCode: 3 });
  });

  it('and others like it stop the host, until a probe starts', async () => {
    const patient = { bootTimeoutMs: 600_000, health: { pingEveryMs: 600_000, pingTimeoutMs: 600_000 } };
    const vms = await host.open({ images, clock: clockAtSpeed(200), ...patient }, { bootOf });
    const executor = executorOf(vms);
    expect(await runIn(vms, { command: ['true'] })).toMatchObject({ reason: 'exit' });
    for (const image of ['broken1', 'broken2', 'broken3']) await runIn(vms, { command: ['true'], image });
    expect(executor.unavailable()).toContain('no image starts on this host');
    expect(await runIn(vms, { command: ['true'] })).toMatchObject({ reason: 'vm_boot_failed' });
    await waitUntil(() => executor.unavailable() === null);
    expect(await runIn(vms, { command: ['exit', '3'] })).toMatchObject({ reason: 'exit', exitCode: 3 });
  });

  it('crashes before its command speak against it as boots that fail do', async () => {
    const vms = await host.open();
    for (let n = 0; n < breakerBounds.failuresMax; n++) {
      const execution = new TestExecution({ command: ['true'] });
      execution.onStarted = async () => {
        host.host.live[0]?.crash('early panic');
        await waitUntil(() => vms.count() === 0);
      };
      expect(await executorOf(vms).run(execution)).toMatchObject({ reason: 'vm_crashed' });
    }
    const refused = await runIn(vms, { command: ['true'] });
    expect(refused).toMatchObject({ reason: 'vm_boot_failed' });
    expect(refused.message).toContain('early panic');
  });
});
