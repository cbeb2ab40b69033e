import { describe, expect, it } from 'vitest';
import { type Job, specOf } from '../contract/job.ts';
import { endReasonNames } from '../domain/job.ts';
import { endNotice, exitCodeOf } from './exit-code.ts';

const id = '0197f2c4-0000-7000-8000-000000000000';
const job = (end: Partial<Job>): Job => ({
  id,
  state: 'failed',
  spec: specOf({ command: ['true'], timeoutMs: 90_000 }),
  ...{ attempt: 1, attemptsUsed: 1, infraFailures: 0, exitCode: null, signal: null, message: null },
  ...{
    reason: null,
    workerId: null,
    createdAtMs: 0,
    updatedAtMs: 0,
    expiresAtMs: null,
    runAtMs: 0,
    startedAtMs: 0,
    endedAtMs: 0,
  },
  ...{ cancelRequestedAtMs: null, cancelReason: null, cancelledBy: null, progress: null, waiting: null },
  ...{ attemptsUsedByReason: {}, memoryMiB: 128 },
  ...end,
});

describe('the exit code of blixard run', () => {
  it.each([
    [{ state: 'completed', reason: 'exit', exitCode: 0 }, 0],
    [{ reason: 'exit', exitCode: 3 }, 3],
    [{ reason: 'exit', exitCode: 126 }, 126],
    [{ reason: 'exit', exitCode: 127 }, 127],
    [{ reason: 'signal', signal: 9 }, 137],
    [{ reason: 'signal', signal: 15 }, 143],
    [{ reason: 'oom' }, 137],
    [{ reason: 'timeout' }, 124],
    [{ state: 'cancelled', reason: 'cancelled' }, 130],
    [{ reason: 'worker_lost' }, 125],
    [{ reason: 'vm_boot_failed' }, 125],
  ] as [Partial<Job>, number][])('%j ends with %d', (end, code) => {
    expect(exitCodeOf(job(end))).toBe(code);
  });

  it('is a failure for every reason but exit 0', () => {
    for (const reason of endReasonNames) {
      expect(exitCodeOf(job({ reason, exitCode: reason === 'exit' ? 1 : null }))).toBeGreaterThan(0);
    }
  });
});

describe('what is told about the end', () => {
  it('is nothing when the command ended by itself', () => {
    expect(endNotice(job({ reason: 'exit', exitCode: 3 }))).toBeUndefined();
  });

  it('names job, state, reason and what happened', () => {
    const lost = job({ reason: 'vm_crashed', message: 'QEMU ended with signal 9' });
    expect(endNotice(lost)).toBe(`job ${id} failed (vm_crashed): QEMU ended with signal 9`);
    expect(endNotice(job({ reason: 'signal', signal: 9 }))).toBe(
      `job ${id} failed (signal 9): the command was ended by a signal`,
    );
    const cancelled = job({ state: 'cancelled', reason: 'cancelled', cancelReason: 'not needed' });
    expect(endNotice(cancelled)).toBe(`job ${id} was cancelled: not needed`);
  });
});
