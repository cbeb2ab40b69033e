/** Times for people (relative) and for programs that read a table (ISO 8601). */
import { formatDurationMs } from '../../domain/units.ts';

/** The text of a time in epoch ms; null is none. */
export type ShowTime = (timeMs: number | null) => string;

/** How this terminal is shown times: relative to now where a person looks, else as ISO 8601; `-` for none. */
export function timeShower(isTty: boolean, nowMs: number): ShowTime {
  return (timeMs) => {
    if (timeMs === null) return '-';
    return isTty ? relativeTime(timeMs, nowMs) : new Date(timeMs).toISOString();
  };
}

/** `12s ago`, `in 5m`, `now`. */
export function relativeTime(timeMs: number, nowMs: number): string {
  const agoMs = nowMs - timeMs;
  if (Math.abs(agoMs) < 1_000) return 'now';
  const text = formatDurationMs(Math.floor(Math.abs(agoMs) / 1_000) * 1_000).replace('.0s', 's');
  return agoMs > 0 ? `${text} ago` : `in ${text}`;
}
