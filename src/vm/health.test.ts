import { beforeEach, describe, expect, it } from 'vitest';
import type { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { FakeClock, sleep } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { HealthChecker, type Patient } from './health.ts';

const config = { pingEveryMs: 5_000, pingTimeoutMs: 10_000 };

let clock: FakeClock;
let health: HealthChecker;
beforeEach(() => {
  clock = new FakeClock();
  health = new HealthChecker({ config, clock, log: silentLog });
});

/** A VM that answers after a time, or never. */
class TestPatient implements Patient {
  readonly id: string;
  readonly exited: Promise<unknown>;
  isPaused = false;
  isOver = false;
  answersAfterMs = 0;
  pings = 0;
  failure: BlixardError | undefined;
  #end: () => void = () => undefined;

  constructor(id: string) {
    this.id = id;
    this.exited = new Promise<void>((resolve) => {
      this.#end = resolve;
    });
  }

  async ping(timeoutMs: number): Promise<void> {
    this.pings++;
    await sleep(clock, Math.min(timeoutMs, this.answersAfterMs));
    if (this.answersAfterMs > timeoutMs) throw new Error('late');
  }

  fail(error: BlixardError): void {
    this.failure = error;
    this.end();
  }

  end(): void {
    this.#end();
  }
}

async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1_000) {
    clock.advance(1_000);
    await new Promise(setImmediate);
  }
}

describe('HealthChecker', () => {
  it('pings every VM in turn, however many, with one timer', async () => {
    const vms = ['a', 'b', 'c'].map((id) => new TestPatient(id));
    for (const vm of vms) health.watch(vm);
    expect(clock.waiting).toBe(1);
    await pass(20_000);
    expect(vms.map(({ pings }) => pings)).toEqual([4, 4, 4]);
    expect(clock.waiting).toBe(1);
  });

  it(`gives a VM up after ${limits.pingsMissed} pings in a row without an answer, and no other`, async () => {
    const [dead, well] = [new TestPatient('dead'), new TestPatient('well')];
    dead.answersAfterMs = Number.POSITIVE_INFINITY;
    health.watch(dead);
    health.watch(well);
    await pass(44_000);
    expect(dead.failure).toBeUndefined();
    await pass(16_000);
    expect(dead.failure).toMatchObject({ code: 'VM_CRASHED' });
    expect(dead.failure?.message).toContain('unhealthy, no answer to 3 pings in a row of 10s each');
    expect([dead.pings, well.failure]).toEqual([limits.pingsMissed, undefined]);
  });

  it('keeps one that is slow, and one that misses now and then', async () => {
    const [slow, shaky] = [new TestPatient('slow'), new TestPatient('shaky')];
    slow.answersAfterMs = 9_500;
    health.watch(slow);
    health.watch(shaky);
    for (let round = 0; round < 5; round++) {
      shaky.answersAfterMs = Number.POSITIVE_INFINITY;
      await pass(25_000);
      shaky.answersAfterMs = 0;
      await pass(20_000);
    }
    expect([slow.failure, shaky.failure]).toEqual([undefined, undefined]);
  });

  it('leaves a paused VM alone, also one that was paused while it owed an answer', async () => {
    const vm = new TestPatient('paused');
    vm.answersAfterMs = Number.POSITIVE_INFINITY;
    health.watch(vm);
    await pass(6_000);
    vm.isPaused = true;
    await pass(100_000);
    expect([vm.pings, vm.failure]).toEqual([1, undefined]);
  });

  it('blames none that ends for what it did not answer any more', async () => {
    const vm = new TestPatient('ending');
    vm.answersAfterMs = Number.POSITIVE_INFINITY;
    health.watch(vm);
    await pass(6_000);
    vm.isOver = true;
    await pass(100_000);
    expect(vm.failure).toBeUndefined();
  });

  it('lies still while there is no VM', async () => {
    const vm = new TestPatient('one');
    health.watch(vm);
    vm.end();
    await new Promise(setImmediate);
    expect(clock.waiting).toBe(0);
  });
});
