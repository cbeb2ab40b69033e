/** State machines as data: one table per aggregate, read by store guards, HTTP 409s, CLI hints and docs. */

/** For each state, the states it may go to and why. A state with no way out is terminal. */
export type Transitions<S extends string> = Readonly<Record<S, Readonly<Partial<Record<S, string>>>>>;

export interface Machine<S extends string> {
  readonly name: string;
  readonly states: readonly S[];
  readonly transitions: Transitions<S>;
  /** True when the table has the step `from` → `to`. */
  can(from: S, to: S): boolean;
  /** The states reachable from `from` in one step, in table order. */
  allowedFrom(from: S): readonly S[];
  /** The states from which `to` can be reached in one step, in table order. */
  sourcesOf(to: S): readonly S[];
}

export function defineMachine<S extends string>(name: string, transitions: Transitions<S>): Machine<S> {
  const states = Object.keys(transitions) as S[];
  const can = (from: S, to: S): boolean => transitions[from][to] !== undefined;
  return {
    name,
    states,
    transitions,
    can,
    allowedFrom: (from) => states.filter((to) => can(from, to)),
    sourcesOf: (to) => states.filter((from) => can(from, to)),
  };
}
