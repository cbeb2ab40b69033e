/** Joins submits of one turn of the event loop that need nothing but their own rows: a statement stores several. */
import { isBlixardError } from '../../domain/errors.ts';
import type { Database, Result } from '../../store/database.ts';
import { insertDataTogether, insertTogether } from '../../store/statements/inserts.ts';
import { insertJob, insertJobData } from '../../store/statements/jobs.ts';
import type { Signals } from '../signals.ts';
import type { Draft } from './draft.ts';
import { tellReady } from './tell-drafts.ts';

/** `new`: it was stored. `unsure`: it was, or something stands in its way; a look tells. */
export type Stored = 'new' | 'unsure';

interface Waiting {
  readonly draft: Draft;
  readonly resolve: (stored: Stored) => void;
  readonly reject: (error: unknown) => void;
}

export class JoinedInserts {
  readonly #db: Database;
  readonly #signals: Signals;
  /** Of this turn; what comes in one turn is bounded by what may be under way. */
  #waiting: Waiting[] = [];

  constructor(deps: { readonly db: Database; readonly signals: Signals }) {
    this.#db = deps.db;
    this.#signals = deps.signals;
  }

  /** The draft needs no room made for it, waits for no job, and has no concurrency key. Rejects as `Database.batch`. */
  add(draft: Draft): Promise<Stored> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.push({ draft, resolve, reject });
      if (waiting === insertTogether.count) this.#storeTogether();
      else if (waiting === 1) process.nextTick(() => this.flush());
    });
  }

  /** Whatever is stored from now on comes after what was added before. */
  flush(): void {
    this.#storeApart(this.#take());
  }

  #take(): Waiting[] {
    const taken = this.#waiting;
    this.#waiting = [];
    return taken;
  }

  #storeTogether(): void {
    const group = this.#take();
    const drafts = group.map(({ draft }) => draft);
    const write = this.#db.batch([
      insertTogether.with(drafts.map(({ job }) => job)),
      insertDataTogether.with(drafts.map(({ job, specText }) => ({ id: job.id, spec: specText }))),
    ]);
    tellReady(this.#signals, drafts);
    write.then(
      (results) => {
        const stored = storedBy(results, drafts.length);
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
      write.then((results) => resolve(storedBy(results, 1)), reject);
    }
  }
}

function storedBy([jobs]: readonly Result[], count: number): Stored {
  return jobs?.changes === count ? 'new' : 'unsure';
}
