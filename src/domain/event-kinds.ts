/** Every kind of event: when it is written and what its data tell. */

/** In words; `data` names the fields, those that are null may be left out. */
interface EventKindWords {
  readonly when: string;
  readonly data: string;
}

const ended = 'from, reason, exitCode, signal, message';
const queueSettings =
  'queue, paused, concurrencyMax, concurrencyMaxPerKey, keyPolicy, fairBy, weights, rateMax, ratePerMs, keyRateMax, ' +
  'keyRatePerMs; inLines when its lines have been made ready';

/** By kind. A test holds them to what triggers and statements write. */
export const eventKindWords = {
  'job.submitted': { when: 'a job was stored', data: 'state, queue, executor, image' },
  'job.scheduled': { when: 'it waits for its time (again)', data: `${ended}, runAtMs` },
  'job.pending': { when: 'it is ready (again)', data: `${ended}, runAtMs` },
  'job.blocked': { when: 'it waits for other jobs again', data: ended },
  'job.claimed': { when: 'a worker took it', data: 'from' },
  'job.running': { when: 'its attempt started', data: 'from' },
  'job.progress': { when: 'its attempt told how far it is', data: 'percent, message' },
  'job.postponed': { when: 'the time of a scheduled job was moved', data: 'runAtMs' },
  'job.cancel_requested': { when: 'a job that is held was to be cancelled', data: 'reason, by' },
  'job.completed': { when: 'it ended well', data: ended },
  'job.failed': { when: 'it ended badly', data: ended },
  'job.cancelled': { when: 'it was cancelled', data: ended },
  'job.forgotten': { when: 'an ended job was purged, or kept long enough', data: 'from, queue' },
  'queue.changed': { when: 'a queue was made or set', data: queueSettings },
  'queue.deleted': { when: 'the settings of a queue were removed', data: 'queue' },
  'schedule.created': { when: 'a schedule was made', data: 'schedule, cron, timeZone' },
  'schedule.changed': {
    when: 'it was changed, paused or resumed',
    data: 'schedule, version, cron, timeZone, paused',
  },
  'schedule.deleted': { when: 'it was deleted', data: 'schedule' },
  'schedule.fired': { when: 'the job of a slot was submitted', data: 'schedule, slotMs, trigger' },
  'schedule.skipped': { when: 'slots were left out', data: 'schedule, slotMs, slots, reason' },
  'schedule.failed': {
    when: 'the job of a slot was refused',
    data: 'schedule, slotMs, trigger, message',
  },
  'worker.registered': { when: 'a worker registered', data: 'generation, name' },
  'worker.draining': { when: 'it gets no more jobs', data: 'generation, from' },
  'worker.offline': { when: 'it left, or its lease ran out', data: 'generation, from' },
} as const satisfies Readonly<Record<string, EventKindWords>>;

/** All kinds. */
export const eventKinds: readonly string[] = Object.keys(eventKindWords);

/** Whether it is a kind, or the start of one: `job.` means all kinds of jobs. */
export function meansEventKind(text: string): boolean {
  return eventKinds.some((kind) => kind.startsWith(text));
}
