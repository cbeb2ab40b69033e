/** What is told of a circuit breaker. */
import { formatDurationMs } from '../domain/units.ts';
import type { Breaker } from './breaker.ts';

/** How long a probe may take, for who waits for what it comes to. */
export const probeMs = 5_000;
/** A broken image may be a good one on the host of another worker, who shall have a chance to take the job. */
export const brokenMsMax = 15_000;

/** A breaker that is not closed. */
export interface BreakerTold {
  /** `name:tag`, or undefined: the host. */
  readonly image: string | undefined;
  readonly memoryMiB: number | undefined;
  readonly vcpus: number | undefined;
  readonly phase: Exclude<Breaker['phase'], 'closed'>;
  readonly failures: number;
  /** How long until the next try. */
  readonly retryInMs: number;
  /** What failed last. */
  readonly why: string;
}

/** 0: it is due or under way. */
export function retryInMs(breaker: Breaker, nowMs: number): number {
  return breaker.phase === 'open' ? Math.max(0, Math.round(breaker.untilMs - nowMs)) : 0;
}

/** What a job that was refused is told: while a probe is under way, that takes some seconds, too. */
export function refusalOf(
  breaker: Breaker,
  nowMs: number,
  problem: string,
): { readonly problem: string; readonly retryInMs: number } {
  return { problem, retryInMs: Math.max(retryInMs(breaker, nowMs), probeMs) };
}

/** The same where its image is at fault: it is told soon that it failed. */
export function brokenOf(
  breaker: Breaker,
  nowMs: number,
  problem: string,
): { readonly problem: string; readonly retryInMs: number } {
  return { problem, retryInMs: Math.min(retryInMs(breaker, nowMs), brokenMsMax) };
}

/** When the next try is, within a sentence. */
export function retryText(breaker: Breaker, nowMs: number): string {
  if (breaker.phase === 'half-open') return 'under way';
  return `in ${formatDurationMs(Math.ceil(retryInMs(breaker, nowMs) / 1_000) * 1_000)}`;
}
