import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlixardError } from './errors.ts';
import {
  assertJobTransition,
  decideEnd,
  type EndReason,
  endedStates,
  endReasonNames,
  endReasons,
  isEnded,
  type JobState,
  jobMachine,
} from './job.ts';
import { imageFailuresMax, infraFailuresMax, limits } from './limits.ts';
import { defaultBackoff, infraBackoff, memoryFactorMax, ruledReasons, type UsedByReason } from './retry.ts';

const anyState = fc.constantFrom(...jobMachine.states);
const anyEnd = fc.record({
  reason: fc.constantFrom(...endReasonNames),
  exitCode: fc.option(fc.integer({ min: 0, max: 255 })),
});
const anyJob = fc.record({
  attemptsUsed: fc.integer({ min: 0, max: limits.attemptsMax }),
  attemptsMax: fc.integer({ min: 1, max: limits.attemptsMax }),
  infraFailures: fc.integer({ min: 0, max: infraFailuresMax }),
  cancelRequested: fc.boolean(),
  backoff: fc.constant(defaultBackoff),
});
const anyRule = fc.record(
  {
    attemptsMax: fc.integer({ min: 1, max: 5 }),
    backoff: fc.record({ delayMs: fc.nat(1_000) }),
    memoryFactor: fc.double({ min: 1, max: memoryFactorMax, noNaN: true }),
    memoryMiBMax: fc.integer({ min: limits.memoryMiBMin, max: limits.memoryMiBMax }),
  },
  { requiredKeys: [] },
);
const anyRules = fc.dictionary(fc.constantFrom(...ruledReasons), anyRule);
const anyRuledJob = fc
  .record({ job: anyJob, rules: anyRules, memoryMiB: fc.integer({ min: 80, max: 65_536 }) })
  .map(({ job, rules, memoryMiB }) => ({ ...job, byReason: { rules, memoryMiB, used: {} } }));
const unit = fc.double({ min: 0, max: 0.999999, noNaN: true });

describe('job transitions', () => {
  it('refuses a step that is not in the table, naming from, to and the allowed ones', () => {
    fc.assert(
      fc.property(anyState, anyState, (from, to) => {
        const step = (): void => assertJobTransition('j1', from, to);
        if (jobMachine.can(from, to)) {
          expect(step).not.toThrow();
          return;
        }
        const allowed = jobMachine.allowedFrom(from).join(', ') || 'none';
        const wanted = new BlixardError('JOB_INVALID_TRANSITION', { jobId: 'j1', from, to, allowed });
        expect(step).toThrow(wanted.message);
      }),
    );
  });

  it('lets a completed job go nowhere, and ended ones only wait again', () => {
    expect(jobMachine.allowedFrom('completed')).toEqual([]);
    expect(jobMachine.allowedFrom('failed')).toEqual(['blocked', 'scheduled', 'pending']);
    expect(jobMachine.allowedFrom('cancelled')).toEqual(['blocked', 'scheduled', 'pending']);
  });

  it('lets every state but the ended ones be cancelled', () => {
    const cancellable = jobMachine.states.filter((state) => !isEnded(state));
    expect(jobMachine.sourcesOf('cancelled')).toEqual(cancellable);
  });

  it('reaches an end from every state that has not ended', () => {
    for (const start of jobMachine.states) {
      const seen = new Set<JobState>([start]);
      for (const state of seen) for (const next of jobMachine.allowedFrom(state)) seen.add(next);
      expect(endedStates.some((state) => seen.has(state))).toBe(true);
    }
  });
});

describe('what an ended attempt makes of its job', () => {
  it('is always a step the table allows from running', () => {
    fc.assert(
      fc.property(fc.oneof(anyJob, anyRuledJob), anyEnd, unit, (job, end, random) => {
        expect(jobMachine.can('running', decideEnd(job, end, 1_000, random).state)).toBe(true);
      }),
    );
  });

  it('spends a user attempt for the job’s own failures and none for the infrastructure’s', () => {
    fc.assert(
      fc.property(anyJob, anyEnd, unit, (job, end, random) => {
        const decision = decideEnd(job, end, 1_000, random);
        const infra = endReasons[end.reason].infrastructure;
        expect(decision.attemptsUsed - job.attemptsUsed).toBe(infra ? 0 : 1);
        const isCounted = end.reason !== 'vm_too_large';
        expect(decision.infraFailures).toBe(infra ? job.infraFailures + (isCounted ? 1 : 0) : 0);
      }),
    );
  });

  it('ends every job after a bounded number of failing attempts', () => {
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.constantFrom(...endReasonNames)),
        fc.integer({ min: 1, max: limits.attemptsMax }),
        (reasons, attemptsMax) => {
          let job = {
            attemptsUsed: 0,
            attemptsMax,
            infraFailures: 0,
            cancelRequested: false,
            backoff: defaultBackoff,
          };
          for (let attempt = 1; attempt <= attemptsMax * infraFailuresMax; attempt++) {
            const reason = reasons.next().value ?? 'internal';
            const decision = decideEnd(job, { reason, exitCode: reason === 'exit' ? 1 : null }, 0, 0.5);
            if (isEnded(decision.state)) return;
            job = { ...job, ...decision };
          }
          throw new Error('still running');
        },
      ),
    );
  });

  it('fails when no worker has room for its VM, and else waits for one that has, up to a bound, at no cost', () => {
    const backoff = defaultBackoff;
    const job = { attemptsUsed: 0, attemptsMax: 1, infraFailures: 2, cancelRequested: false, backoff };
    const decide = (triesLeft?: number) =>
      decideEnd(job, { reason: 'vm_too_large', exitCode: null, triesLeft }, 1_000, 0.5);
    expect(decide(limits.placementsMax - 1)).toMatchObject({ state: 'scheduled', infraFailures: 2 });
    expect(decide(1).runAtMs).toBeLessThanOrEqual(1_000 + infraBackoff.delayMaxMs);
    for (const triesLeft of [0, undefined])
      expect(decide(triesLeft)).toMatchObject({ state: 'failed', attemptsUsed: 0, infraFailures: 2 });
  });

  it('fails sooner when its image is known to be broken than after other failures of hosts', () => {
    const job = { attemptsUsed: 0, attemptsMax: 1, cancelRequested: false, backoff: defaultBackoff };
    const stateAfter = (reason: EndReason, failures: number) =>
      decideEnd({ ...job, infraFailures: failures - 1 }, { reason, exitCode: null }, 0, 0.5).state;
    expect(stateAfter('image_broken', imageFailuresMax - 1)).toBe('scheduled');
    expect(stateAfter('image_broken', imageFailuresMax)).toBe('failed');
    expect(stateAfter('vm_boot_failed', imageFailuresMax)).toBe('scheduled');
  });

  it('begins the back-off when the worker says that it can try again, not for failures of the job', () => {
    const job = { attemptsUsed: 0, attemptsMax: 3, infraFailures: 0, cancelRequested: false };
    const runAtMs = (reason: EndReason, retryInMs?: number) =>
      decideEnd({ ...job, backoff: defaultBackoff }, { reason, exitCode: null, retryInMs }, 1_000, 0.5)
        .runAtMs;
    for (const reason of ['vm_boot_failed', 'timeout'] as const) {
      const usual = runAtMs(reason) ?? 0;
      expect(usual).toBeGreaterThan(1_000);
      expect(runAtMs(reason, 60_000)).toBe(reason === 'timeout' ? usual : usual + 60_000);
    }
  });

  it('counts a reason with a bound of its own by itself, and memory only grows, up to its cap', () => {
    fc.assert(
      fc.property(anyRuledJob, fc.array(anyEnd, { maxLength: 40 }), unit, (first, ends, random) => {
        let job = first;
        const counted: Record<string, number> = {};
        for (const end of ends) {
          const decision = decideEnd(job, end, 0, random);
          const byReason = decision.byReason ?? { used: {}, memoryMiB: 0 };
          const rule = first.byReason.rules[end.reason as keyof UsedByReason];
          const isOwn = rule?.attemptsMax !== undefined && !(end.reason === 'exit' && end.exitCode === 0);
          if (isOwn) counted[end.reason] = (counted[end.reason] ?? 0) + 1;
          expect(byReason.used).toEqual(counted);
          if (isOwn) expect(decision.attemptsUsed).toBe(job.attemptsUsed);
          if (isOwn && !job.cancelRequested)
            expect(decision.state === 'failed').toBe((counted[end.reason] ?? 0) >= (rule.attemptsMax ?? 0));
          expect(byReason.memoryMiB).toBeGreaterThanOrEqual(job.byReason.memoryMiB);
          const cap = Math.max(job.byReason.memoryMiB, rule?.memoryMiBMax ?? limits.memoryMiBMax);
          expect(byReason.memoryMiB).toBeLessThanOrEqual(cap);
          if (end.reason !== 'oom') expect(byReason.memoryMiB).toBe(job.byReason.memoryMiB);
          if (isEnded(decision.state)) return;
          job = { ...job, ...decision, byReason: { ...job.byReason, ...byReason } };
        }
      }),
    );
  });

  it('goes by the back-off of the reason, and of the job where the reason says nothing', () => {
    const job = {
      attemptsUsed: 0,
      attemptsMax: 1,
      infraFailures: 3,
      cancelRequested: false,
      backoff: { type: 'fixed', delayMs: 7_000, delayMaxMs: 60_000, jitter: 0 },
      byReason: { rules: { exit: { attemptsMax: 2, backoff: { delayMs: 50 } } }, memoryMiB: 128, used: {} },
    } as const;
    expect(decideEnd(job, { reason: 'exit', exitCode: 1 }, 1_000, 0)).toEqual({
      state: 'scheduled',
      runAtMs: 1_050,
      attemptsUsed: 0,
      infraFailures: 0,
      byReason: { used: { exit: 1 }, memoryMiB: 128 },
    });
    expect(decideEnd({ ...job, attemptsMax: 2 }, { reason: 'signal', exitCode: null }, 0, 0).runAtMs).toBe(
      7_000,
    );
  });

  it('completes on exit 0 even when a cancel came too late', () => {
    const job = {
      attemptsUsed: 0,
      attemptsMax: 1,
      infraFailures: 0,
      cancelRequested: true,
      backoff: defaultBackoff,
    };
    expect(decideEnd(job, { reason: 'exit', exitCode: 0 }, 0, 0).state).toBe('completed');
  });

  it('does not run a job again whose cancel was asked for, even when its worker is lost', () => {
    const job = {
      attemptsUsed: 0,
      attemptsMax: 9,
      infraFailures: 0,
      cancelRequested: true,
      backoff: defaultBackoff,
    };
    expect(decideEnd(job, { reason: 'worker_lost', exitCode: null }, 0, 0).state).toBe('cancelled');
  });

  it('puts a job whose worker is lost back at once', () => {
    const job = {
      attemptsUsed: 0,
      attemptsMax: 1,
      infraFailures: 0,
      cancelRequested: false,
      backoff: defaultBackoff,
    };
    expect(decideEnd(job, { reason: 'worker_lost', exitCode: null }, 0, 0)).toMatchObject({
      state: 'pending',
      attemptsUsed: 0,
      infraFailures: 1,
    });
  });
});
