/** Which segments of a log are kept: those of its head, and the newest ones; what lies between is dropped. */
import { endOf, outputEndOf, type Segment } from './segment.ts';

/** How a log of at most `keepBytes` is cut into segments. */
export interface SegmentPlan {
  /** Records that end at or before this offset are the head, which is always kept. */
  readonly headBytes: number;
  readonly keepBytes: number;
  readonly segmentBytes: number;
}

/** Half of what is kept is head; 64 segments keep the loss at the edge of the tail below 2 %. */
export function planFor(keepBytes: number): SegmentPlan {
  return {
    keepBytes,
    headBytes: Math.floor(keepBytes / 2),
    segmentBytes: Math.max(1, Math.floor(keepBytes / 64)),
  };
}

/**
 * Bytes that may still go into this segment when the next record has `recordBytes`; 0 asks for a new
 * segment.
 */
export function roomIn(plan: SegmentPlan, segment: Segment, recordBytes: number): number {
  const empty = segment.bytes === 0;
  const inHead = endOf(segment) + (empty ? recordBytes : 0) <= plan.headBytes;
  const capacity = inHead ? Math.min(plan.segmentBytes, plan.headBytes - segment.start) : plan.segmentBytes;
  const room = capacity - segment.bytes;
  if (recordBytes <= room) return room;
  return empty ? recordBytes : 0;
}

/**
 * The segment to drop next: the oldest one after the head that is not being written; undefined when none
 * need go.
 */
export function toDrop(plan: SegmentPlan, segments: readonly Segment[]): Segment | undefined {
  const kept = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  if (kept <= plan.keepBytes) return undefined;
  return segments.slice(0, -1).find((segment) => endOf(segment) > plan.headBytes);
}

/** Output that is missing between `output`, where a reader stands, and the end of these segments. */
export function missingAfter(segments: readonly Segment[], output: number): number {
  let missing = 0;
  let at = output;
  for (const segment of segments) {
    missing += Math.max(0, segment.outputStart - at);
    at = Math.max(at, outputEndOf(segment));
  }
  return missing;
}
