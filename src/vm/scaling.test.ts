import { availableParallelism } from 'node:os';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FakeHypervisorDeps } from '../hypervisor/fake/fake-hypervisor.ts';
import { FakeClock, realClock, sleep } from '../platform/clock.ts';
import { FastScene, outputOf, pool, waitUntil } from './fast-scene.suite.ts';
import type { ServiceConfig } from './services.ts';
import type { VmOrder } from './vm-manager.ts';
import type { VmService } from './vm-service.ts';

const vmsMax = 5;
const cpusMax = 3;
const coolDownMs = 2_000;
const stepMs = 10;
/** Of fake time: long after the last job of any run. */
const settleMs = 6 * coolDownMs;
const jobsEndMs = 600_000;
const settledByMs = 600_000;
const reallyMs = 15_000;

interface SomeJob {
  readonly atMs: number;
  readonly lastsMs: number;
  readonly order: VmOrder;
}

const someJobs = fc.array(
  fc.record({
    atMs: fc.integer({ min: 0, max: 8_000 }),
    lastsMs: fc.integer({ min: 0, max: 1_500 }),
    order: fc.record({
      ...{ image: fc.constant('base'), queue: fc.constant('q') },
      vcpus: fc.constantFrom(1, 1, Math.min(2, availableParallelism())),
      memoryMiB: fc.constantFrom(128, 256),
      isolation: fc.constantFrom('shared', 'shared', 'standard', 'maximum'),
      tenant: fc.constantFrom('ann', 'bob'),
    }),
  }),
  { minLength: 5, maxLength: 30 },
);

/** One host in fake time, which goes on step by step, and is looked at after each. */
class Scaling {
  readonly clock = new FakeClock();
  /** Virtual processors of VMs that have a job. */
  cpus = 0;
  readonly #scene: FastScene;

  constructor(scene: FastScene) {
    this.#scene = scene;
  }

  /** Lets fake time pass until `done`; rejects when that takes too long or a bound is passed on the way. */
  async until(vms: () => VmService | undefined, done: Promise<unknown>, atMostMs: number): Promise<void> {
    let isDone = false;
    void done.finally(() => {
      isDone = true;
    });
    const endMs = this.clock.monotonicMs() + atMostMs;
    // Files are written in real time, which a busy machine has little of.
    const reallyEndMs = realClock.monotonicMs() + reallyMs;
    while (!isDone) {
      if (realClock.monotonicMs() > reallyEndMs) {
        expect(this.clock.monotonicMs(), 'it takes for ever').toBeLessThan(endMs);
      }
      this.clock.advance(stepMs);
      await new Promise((resolve) => setImmediate(resolve));
      this.#assertBounds(vms());
    }
    await done;
  }

  #assertBounds(vms: VmService | undefined): void {
    const live = this.#scene.host.host.live.length;
    expect(live, 'VMs of the host').toBeLessThanOrEqual(vmsMax);
    expect(this.cpus, 'processors of jobs').toBeLessThanOrEqual(cpusMax);
    expect(vms?.count() ?? 0, 'places').toBeLessThanOrEqual(vmsMax);
  }
}

async function runJob(
  vms: VmService,
  scaling: Scaling,
  { atMs, lastsMs, order: of }: SomeJob,
): Promise<void> {
  await sleep(scaling.clock, atMs);
  const vm = await vms.start({ ...of, purpose: 'job/1' }, new AbortController().signal);
  scaling.cpus += of.vcpus;
  await outputOf(vm, 'sleep', String(lastsMs));
  scaling.cpus -= of.vcpus;
  await vms.release(vm.id, { inOrder: true });
}

/** Idle VMs of the pool and those to come, those of services, and all. */
function sizes(vms: VmService) {
  const services = vms.told().filter(({ jobsServed }) => jobsServed !== undefined).length;
  return { ...vms.pooled(), services, all: vms.count() };
}

async function simulate(jobs: readonly SomeJob[], bounds: ServiceConfig, poolMin: number): Promise<void> {
  const scene = await FastScene.make();
  const scaling = new Scaling(scene);
  const { clock } = scaling;
  let starts = 0;
  const bootOf: NonNullable<FakeHypervisorDeps['bootOf']> = ({ template }) => {
    // A template may be built long after the job that asked for it.
    if (template?.act !== 'make') starts++;
    return { outcome: 'agent', afterMs: 0 };
  };
  try {
    const opening = scene.open(
      pool({ min: poolMin, target: 1, max: 2, coolDownMs }),
      { clock, vmsMax, cpusMax, services: bounds },
      { clock, bootOf },
    );
    await scaling.until(() => undefined, opening, 60_000);
    const opened = await opening;
    const all = Promise.all(jobs.map((job) => runJob(opened, scaling, job)));
    await scaling.until(() => opened, all, jobsEndMs);
    const shared = jobs.filter(({ order: of }) => of.isolation === 'shared');
    const lanes = new Set(shared.map(({ order: of }) => `${of.tenant} ${of.memoryMiB} ${of.vcpus}`));
    const services = Math.min(bounds.max, bounds.min * lanes.size, vmsMax - poolMin);
    await scaling.until(() => opened, sleep(clock, settleMs), 2 * settleMs);
    // Folders are removed in real time, which this waits for.
    const isSettled = (): boolean => {
      const now = sizes(opened);
      return (
        now.idle === poolMin &&
        now.preparing === 0 &&
        now.services === services &&
        now.all === poolMin + services
      );
    };
    await scaling.until(() => opened, waitUntil(isSettled), settledByMs);
    const settled = { ...sizes(opened), starts };
    await scaling.until(() => opened, sleep(clock, settleMs), 2 * settleMs);
    expect({ ...sizes(opened), starts }, 'it goes on and off').toMatchObject({
      ...settled,
      all: expect.any(Number),
    });
    await scaling.until(() => undefined, opened.close(), 60_000);
  } finally {
    await scene.clean();
  }
}

describe('pools and service VMs together', () => {
  it('never pass the limits, keep no job waiting for ever, and settle at their minimum, whatever comes', async () => {
    const bounds = fc.record({
      ...{ target: fc.integer({ min: 0, max: 2 }), max: fc.integer({ min: 1, max: 3 }) },
      ...{ min: fc.integer({ min: 0, max: 1 }), jobsMax: fc.constantFrom(1, 3, 100) },
      ...{ coolDownMs: fc.constant(coolDownMs), uptimeMaxMs: fc.constantFrom(1_000, 1e9) },
      memoryPercentMax: fc.constant(90),
    });
    await fc.assert(fc.asyncProperty(someJobs, bounds, fc.integer({ min: 0, max: 1 }), simulate), {
      numRuns: 5,
    });
  }, 120_000);
});
