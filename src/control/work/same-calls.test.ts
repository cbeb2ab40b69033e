import { describe, expect, it } from 'vitest';
import type { WorkReply } from '../../contract/worker.ts';
import { BlixardError } from '../../domain/errors.ts';
import { SameCalls } from './same-calls.ts';

describe('calls of one worker', () => {
  /** Serves a call of this token that fails so; gives how often it was served in all. */
  function failing(error: BlixardError) {
    const calls = new SameCalls();
    let served = 0;
    const serve = async (): Promise<never> => {
      served++;
      throw error;
    };
    const call = async (token: string): Promise<number> => {
      await expect(calls.once('w', token, serve)).rejects.toBe(error);
      return served;
    };
    return { calls, call };
  }

  it.each([
    new BlixardError('WORKER_NOT_FOUND', { workerId: 'w' }),
    new BlixardError('FENCED', { problem: 'it is offline' }),
  ])('leave nothing once they are refused: $code', async (refusal) => {
    const { calls, call } = failing(refusal);
    await Promise.all([call('a'), call('b'), call('a')]);
    expect(calls.workers).toBe(0);
    expect(await call('a')).toBe(3);
    expect(calls.workers).toBe(0);
  });

  it('leave the others when one is refused', async () => {
    const { calls, call } = failing(new BlixardError('FENCED', { problem: 'it is an older process' }));
    const reply: WorkReply = {
      claimed: [],
      unstarted: [],
      cancel: [],
      fenced: [],
      state: 'online',
      leaseUntilMs: 1,
    };
    const answered = calls.once('w', 'new', async () => reply);
    await call('old');
    expect(calls.once('w', 'new', () => expect.fail('served twice'))).toBe(answered);
    expect(calls.workers).toBe(1);
    calls.forget('w');
    expect(calls.workers).toBe(0);
  });

  it('that failed for another reason are not served again for a copy', async () => {
    const { call } = failing(new BlixardError('STORE_UNAVAILABLE', { problem: 'for a moment' }));
    expect(await call('a')).toBe(1);
    expect(await call('a')).toBe(1);
  });
});
