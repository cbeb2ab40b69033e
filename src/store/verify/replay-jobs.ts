/** Replays what each job's events tell, and compares where they lead with what is stored. */
import { isEnded, isHeld, type JobState, jobMachine } from '../../domain/job.ts';
import type { Row } from '../database.ts';
import { integer, integerOrNull, json, text, textOrNull } from '../statements/columns.ts';
import type { Findings, Invariant } from './findings.ts';
import { eventsOf, jobsOf, type StoreReader } from './reads.ts';

/** Events of a job that stays in its state. */
const stepless = new Set(['cancel_requested', 'postponed', 'progress']);

/** Whether an event `job.<step>` leaves its job in its state. */
export function isStepless(step: string): boolean {
  return stepless.has(step);
}

interface Told {
  readonly state?: JobState;
  readonly from?: JobState;
  readonly reason?: string | null;
}

/** A job as its events have it. */
interface Replayed {
  readonly state: JobState;
  readonly attempt: number;
  /** Who holds it. */
  readonly workerId: string | null;
  readonly reason: string | null;
}

/** What the replay reads: how many events and jobs. */
export interface ReplayedJobs {
  readonly jobs: number;
  readonly events: number;
}

/**
 * I1, I3, I4 and I9 of every job. With the first events forgotten, a job may begin in the middle of its story. Keeps a
 * few words of each job whose events are there.
 */
export async function replayJobs(
  store: StoreReader,
  found: Findings,
  wholeStory: boolean,
): Promise<ReplayedJobs> {
  const stories = new Map<string, JobStory>();
  const seen = { jobs: 0, events: 0 };
  for await (const event of eventsOf(store)) {
    const id = textOrNull(event, 'job_id');
    if (id === null) continue;
    const story = stories.get(id) ?? new JobStory(id, found, wholeStory);
    stories.set(id, story);
    seen.events++;
    story.take(event);
  }
  for await (const row of jobsOf(store)) {
    seen.jobs++;
    const id = text(row, 'id');
    const story = stories.get(id);
    if (story !== undefined) story.compare(row);
    else if (wholeStory) found.violated('I9', 'a job has no events', `job ${id}`);
    stories.delete(id);
  }
  for (const story of stories.values()) story.compareWithNone();
  return seen;
}

/** The events of one job, taken one by one. */
class JobStory {
  readonly id: string;
  readonly #found: Findings;
  readonly #wholeStory: boolean;
  #told: Replayed | undefined;

  constructor(id: string, found: Findings, wholeStory: boolean) {
    this.id = id;
    this.#found = found;
    this.#wholeStory = wholeStory;
  }

  take(event: Row): void {
    const [noun, step = ''] = text(event, 'kind').split('.');
    if (noun !== 'job' || isStepless(step)) return;
    const data = json<Told>(event, 'data');
    const to = jobMachine.states.find((state) => state === step);
    if (step === 'submitted') this.#submitted(data);
    else if (step === 'forgotten') this.#forgotten(data);
    else if (to === undefined) this.#bad('I9', 'unknown event', step);
    else this.#step(event, to, data);
  }

  /** The row of this job, as it is stored. */
  compare(row: Row): void {
    const told = this.#told;
    if (told === undefined) {
      if (this.#wholeStory) this.#bad('I9', 'a job is there that its events have not', `job ${this.id}`);
      return;
    }
    const state = text(row, 'state') as JobState;
    const stored: Replayed = {
      state,
      attempt: integer(row, 'attempt'),
      workerId: isHeld(state) ? textOrNull(row, 'worker_id') : null,
      reason: textOrNull(row, 'reason'),
    };
    const replayed = { ...told, workerId: isHeld(told.state) ? told.workerId : null };
    const differs = Object.entries(stored).filter(
      ([name, value]) => replayed[name as keyof Replayed] !== value,
    );
    for (const [name, value] of differs) {
      const is = `job ${this.id}: ${name} is ${value}, told was ${replayed[name as keyof Replayed]}`;
      this.#bad('I9', 'the events of a job lead elsewhere', is);
    }
  }

  /** There is no row of this job. */
  compareWithNone(): void {
    if (this.#told !== undefined) this.#bad('I1', 'a job was accepted and is gone', `job ${this.id}`);
  }

  #submitted({ state }: Told): void {
    if (this.#told !== undefined) this.#bad('I9', 'a job was submitted twice', `job ${this.id}`);
    if (state === undefined) this.#bad('I9', 'a submit tells no state', `job ${this.id}`);
    else this.#told = { state, attempt: 0, workerId: null, reason: null };
  }

  #forgotten({ from }: Told): void {
    const was = this.#told?.state ?? (this.#wholeStory ? undefined : from);
    this.#told = undefined;
    if (was === undefined || was !== from || !isEnded(was))
      this.#bad('I1', 'a job was forgotten that had not ended', `job ${this.id} as ${was}`);
  }

  #step(event: Row, to: JobState, { from, reason = null }: Told): void {
    const was = this.#told?.state ?? (this.#wholeStory ? undefined : from);
    const attempt = integerOrNull(event, 'attempt') ?? 0;
    this.#checkAttempt(attempt, to);
    this.#told = { state: to, attempt, workerId: textOrNull(event, 'worker_id'), reason };
    const step = `job ${this.id} left ${from} for ${to}`;
    if (was === undefined || was !== from) this.#bad('I9', 'a job left another state', `${step}, was ${was}`);
    else if (isEnded(was) && !jobMachine.can(was, to)) this.#bad('I4', 'an ended state was left', step);
    else if (!jobMachine.can(was, to)) this.#bad('I9', 'a step is not in the table', step);
  }

  #checkAttempt(attempt: number, to: JobState): void {
    if (this.#told === undefined) return;
    const expected = this.#told.attempt + (to === 'claimed' ? 1 : 0);
    if (attempt !== expected)
      this.#bad('I3', 'an attempt is told out of turn', `job ${this.id}: ${attempt}, not ${expected}`);
  }

  #bad(invariant: Invariant, rule: string, row: string): void {
    this.#found.violated(invariant, rule, row);
  }
}
