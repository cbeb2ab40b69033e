/** Which events are wanted. */
import type { JobEvent } from '../../contract/job.ts';

/** Empty: all events. */
export interface EventFilter {
  /** Starts of kinds, one of which must match; none: every kind. */
  readonly kinds?: readonly string[];
  /** Events of jobs of this queue. */
  readonly queue?: string | null;
  readonly jobId?: string;
}

/** An event, and the queue of the job it is about. */
export interface StoredEvent extends JobEvent {
  readonly queue: string | null;
}

/** True when the filter lets the event through; `jobId` is looked at by the read itself. */
export function passes({ kinds = [], queue = null }: EventFilter, event: StoredEvent): boolean {
  if (queue !== null && event.queue !== queue) return false;
  return kinds.length === 0 || kinds.some((kind) => event.kind.startsWith(kind));
}

/** The kinds from the first to the last that the filter names, and all between; sorts as the store does. */
export function kindRange({ kinds = [] }: EventFilter): { kindFrom: string; kindTo: string } {
  const sorted = [...kinds].sort();
  return { kindFrom: sorted[0] ?? '', kindTo: `${sorted.at(-1) ?? ''}~` };
}

/** The event as it goes over the wire. */
export function wireEventOf({ queue: _, ...event }: StoredEvent): JobEvent {
  return event;
}
