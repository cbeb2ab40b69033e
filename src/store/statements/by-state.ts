/** The indexes of the jobs of a queue in a state: one for each kind of state, which a statement names by a literal. */
import { isEnded, isHeld, type JobState, jobMachine } from '../../domain/job.ts';

/** Kinds of states: ready to be claimed, before that, from a claim to the end, and after it. */
export const stateKinds = ['pending', 'waiting', 'taken', 'over'] as const;
export type StateKind = (typeof stateKinds)[number];

/** The kind of a state. */
export function kindOf(state: JobState): StateKind {
  if (isEnded(state)) return 'over';
  if (isHeld(state)) return 'taken';
  return state === 'pending' ? 'pending' : 'waiting';
}

/** The states of a kind. */
export function statesOfKind(kind: StateKind): readonly JobState[] {
  return jobMachine.states.filter((state) => kindOf(state) === kind);
}

/** The condition of each index `jobs_<kind>`, as it stands there. */
const isOf: Readonly<Record<StateKind, string>> = {
  pending: "jobs.state = 'pending'",
  waiting: "(jobs.state = 'scheduled' OR jobs.state = 'blocked')",
  taken: "(jobs.state = 'claimed' OR jobs.state = 'running')",
  over: 'jobs.ended_at_ms IS NOT NULL',
};

/** `FROM` and `WHERE` of the jobs of a queue in a state, which is of this kind, else there are none. */
export function inState(kind: StateKind, queue: string, state: string) {
  return {
    from: `jobs INDEXED BY jobs_${kind}`,
    where: `jobs.queue = ${queue} AND jobs.state = ${state} AND ${isOf[kind]}`,
  };
}
