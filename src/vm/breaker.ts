/** A circuit breaker: closed, open for a time, then half open with one probe. Pure. */

/** After so many failures in a row, and after each probe that failed, nothing is tried for `openMs`. */
export const breakerBounds = { failuresMax: 3, openMs: 60_000 };

/** `failures`: those in a row. */
export type Breaker =
  | { readonly phase: 'closed'; readonly failures: number }
  | { readonly phase: 'open'; readonly failures: number; readonly untilMs: number }
  | { readonly phase: 'half-open'; readonly failures: number };

/** What may be tried: anything, one probe, or nothing. */
export type Permit = 'try' | 'probe' | 'refused';

export const closedBreaker: Breaker = { phase: 'closed', failures: 0 };

/** Asks for a try. While the one probe of a half-open breaker is under way, all others are refused. */
export function ask(breaker: Breaker, nowMs: number): { readonly permit: Permit; readonly next: Breaker } {
  if (breaker.phase === 'closed') return { permit: 'try', next: breaker };
  if (breaker.phase === 'half-open' || nowMs < breaker.untilMs) return { permit: 'refused', next: breaker };
  return { permit: 'probe', next: { phase: 'half-open', failures: breaker.failures } };
}

/** A try failed. One that was begun before the breaker opened tells nothing new. */
export function afterFailure(breaker: Breaker, wasProbe: boolean, nowMs: number): Breaker {
  if (breaker.phase !== 'closed' && !wasProbe) return breaker;
  const failures = breaker.failures + 1;
  if (breaker.phase === 'closed' && failures < breakerBounds.failuresMax)
    return { phase: 'closed', failures };
  return { phase: 'open', failures, untilMs: nowMs + breakerBounds.openMs };
}

/** What failed has failed again after some time. */
export function isProven({ phase, failures }: Breaker): boolean {
  return phase !== 'closed' && failures > breakerBounds.failuresMax;
}

/** A try came to nothing, neither well nor ill; the next one that asks may be the probe in its place. */
export function afterNothing(breaker: Breaker, wasProbe: boolean, nowMs: number): Breaker {
  if (breaker.phase !== 'half-open' || !wasProbe) return breaker;
  return { phase: 'open', failures: breaker.failures, untilMs: nowMs };
}
