/** Joins submits of one turn of the event loop that need nothing but their own rows: a statement stores several. */
import { isBlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Database, Result, Statement } from '../../store/database.ts';
import {
  alike,
  insertDataTogether,
  insertTogether,
  setParts,
  tellSubmitted,
} from '../../store/statements/inserts.ts';
import { insertJob, insertJobData } from '../../store/statements/jobs.ts';
import type { Signals } from '../signals.ts';
import type { Draft } from './draft.ts';
import { tellReady } from './tell-drafts.ts';

/** `new`: it was stored. `unsure`: it was, or something stands in its way; a look tells. */
export type Stored = 'new' | 'unsure';

/** So many that are alike pay for a statement to tell them, as measured; fewer are stored with others. */
const setMin = 4;

interface Waiting {
  readonly draft: Draft;
  readonly resolve: (stored: Stored) => void;
  readonly reject: (error: unknown) => void;
}

export class JoinedInserts {
  readonly #db: Database;
  readonly #signals: Signals;
  readonly #clock: Clock;
  /** Of this turn; what comes in one turn is bounded by what may be under way. */
  #waiting: Waiting[] = [];

  constructor(deps: { readonly db: Database; readonly signals: Signals; readonly clock: Clock }) {
    this.#db = deps.db;
    this.#signals = deps.signals;
    this.#clock = deps.clock;
  }

  /** When what comes now was submitted: all of one turn at once, else the next millisecond would begin another set. */
  nowMs(): number {
    return this.#waiting[0]?.draft.job.nowMs ?? this.#clock.nowMs();
  }

  /** The draft needs no room made for it, waits for no job, and has no concurrency key. Rejects as `Database.batch`. */
  add(draft: Draft): Promise<Stored> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.push({ draft, resolve, reject });
      if (waiting === limits.submitsJoined) this.flush();
      else if (waiting === 1) process.nextTick(() => this.flush());
    });
  }

  /** Stores what was added: whatever is stored from now on comes after it. */
  flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    let others: Waiting[] = [];
    for (const run of waiting.length < setMin ? [waiting] : runsOf(waiting)) {
      if (run.length < setMin) {
        others.push(...run);
      } else {
        this.#storeSeveral(others);
        others = [];
        this.#store(run, setOf(run));
      }
    }
    this.#storeSeveral(others);
  }

  #storeSeveral(others: readonly Waiting[]): void {
    const { count } = insertTogether;
    for (let from = 0; from < others.length; from += count) {
      const group = others.slice(from, from + count);
      if (group.length === count) this.#store(group, severalOf(group));
      else this.#storeApart(group);
    }
  }

  /** The first statements, as many as say so with their changes, are those that insert the jobs. */
  #store(group: readonly Waiting[], { inserts, others }: Writes): void {
    const write = this.#db.batch([...inserts, ...others]);
    tellReady(
      this.#signals,
      group.map(({ draft }) => draft),
    );
    write.then(
      (results) => {
        const stored = storedBy(results.slice(0, inserts.length), group.length);
        for (const { resolve } of group) resolve(stored);
      },
      (error: unknown) => {
        // What the store refuses of one must not be told to the others.
        if (isBlixardError(error, 'CONSTRAINT') || isBlixardError(error, 'VALIDATION_FAILED'))
          this.#storeApart(group);
        else for (const { reject } of group) reject(error);
      },
    );
  }

  #storeApart(group: readonly Waiting[]): void {
    for (const { draft, resolve, reject } of group) {
      const { job, specText } = draft;
      const write = this.#db.batch([insertJob.with(job), insertJobData.with({ id: job.id, spec: specText })]);
      tellReady(this.#signals, [draft]);
      write.then((results) => resolve(storedBy(results.slice(0, 1), 1)), reject);
    }
  }
}

/** What stores jobs: first the inserts, whose changes tell how many were stored. */
interface Writes {
  readonly inserts: readonly Statement[];
  readonly others: readonly Statement[];
}

/** Those that came one after another and are alike. */
function runsOf(waiting: readonly Waiting[]): Waiting[][] {
  const runs: Waiting[][] = [];
  let first: Waiting | undefined;
  for (const each of waiting) {
    const { job } = each.draft;
    if (alike.every((name) => job[name] === first?.draft.job[name])) {
      runs.at(-1)?.push(each);
    } else {
      runs.push([each]);
      first = each;
    }
  }
  return runs;
}

function setOf(group: readonly Waiting[]): Writes {
  const inserts: Statement[] = [];
  const specs: Statement[] = [];
  const jobs = group.map(({ draft }) => draft.job);
  const [shared] = jobs;
  if (shared === undefined) return { inserts, others: [] };
  const texts = group.map(({ draft }) => ({ id: draft.job.id, spec: draft.specText }));
  let from = 0;
  for (const part of setParts) {
    for (; group.length - from >= part.count; from += part.count) {
      const to = from + part.count;
      inserts.push(part.jobs.with(shared, jobs.slice(from, to)));
      specs.push(part.specs.with({}, texts.slice(from, to)));
    }
  }
  return { inserts, others: [tellSubmitted.with(shared), ...specs] };
}

function severalOf(group: readonly Waiting[]): Writes {
  const jobs = group.map(({ draft }) => draft.job);
  const specs = group.map(({ draft }) => ({ id: draft.job.id, spec: draft.specText }));
  return { inserts: [insertTogether.with(jobs)], others: [insertDataTogether.with(specs)] };
}

function storedBy(inserts: readonly Result[], count: number): Stored {
  return inserts.reduce((sum, { changes }) => sum + changes, 0) === count ? 'new' : 'unsure';
}
