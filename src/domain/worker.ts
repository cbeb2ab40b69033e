/** The worker: a process on one host, known by its id and a generation that grows with every registration. */
import { defineMachine } from './machine.ts';

export type WorkerState = 'online' | 'draining' | 'offline';

export const workerMachine = defineMachine<WorkerState>('worker', {
  online: { draining: 'drain asked for', offline: 'lease ran out, or it left' },
  draining: { online: 'registered again', offline: 'lease ran out, or it left' },
  offline: { online: 'registered again (a new generation)' },
});

/** Only an online worker gets jobs. */
export function mayClaim(state: WorkerState): boolean {
  return state === 'online';
}
