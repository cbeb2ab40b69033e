/** What a rule of the verifier is: one statement that finds what must not be. */
import type { Invariant } from './findings.ts';

/** What must not be in a store. */
export interface Rule {
  readonly invariant: Invariant;
  readonly rule: string;
  /** What it looks at. */
  readonly over: 'jobs' | 'attempts' | 'queues' | 'schedules' | 'webhooks' | 'events';
  readonly sql: string;
}
