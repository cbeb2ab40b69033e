import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlixardError } from './errors.ts';
import {
  assertJobTransition,
  decideEnd,
  endedStates,
  endReasonNames,
  endReasons,
  isEnded,
  type JobState,
  jobMachine,
} from './job.ts';
import { infraFailuresMax, limits } from './limits.ts';
import { defaultBackoff } from './retry.ts';

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
      fc.property(anyJob, anyEnd, unit, (job, end, random) => {
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
        expect(decision.infraFailures - job.infraFailures).toBe(infra ? 1 : 0);
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
          for (let attempt = 1; attempt <= attemptsMax + infraFailuresMax; attempt++) {
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
