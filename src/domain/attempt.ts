/** The attempt: one execution of a job. Its number is the fence that every write about a running job names. */
import { defineMachine } from './machine.ts';

export type AttemptState = 'claimed' | 'running' | 'ended';

export const attemptMachine = defineMachine<AttemptState>('attempt', {
  claimed: { running: 'the worker started it', ended: 'given back, cancelled, or the worker was lost' },
  running: { ended: 'the command ended, or was ended' },
  ended: {},
});
