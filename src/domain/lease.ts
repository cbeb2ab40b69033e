/** A worker's lease: one row per worker, renewed by every call it makes. */
import { defaults } from './defaults.ts';

/** When a lease renewed now runs out, epoch ms. */
export function leaseUntilMs(nowMs: number, leaseMs: number = defaults.leaseMs): number {
  return nowMs + leaseMs;
}

/** A lease is over from its last millisecond on. */
export function leaseIsOver(leaseUntil: number, nowMs: number): boolean {
  return leaseUntil <= nowMs;
}
