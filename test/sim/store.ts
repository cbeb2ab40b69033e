/** The store as one control process sees it: takes time, may refuse, and may lose its answer after a commit. */
import { BlixardError } from '../../src/domain/errors.ts';
import type { Database, Result, Row, Statement } from '../../src/store/database.ts';
import type { SqliteDatabase } from '../../src/store/sqlite/sqlite.ts';
import type { Chance } from './chance.ts';
import type { Profile } from './profile.ts';
import type { SimProcess, SimTime } from './time.ts';

interface Waiting {
  readonly statements: readonly Statement[];
  readonly resolve: (results: readonly Result[]) => void;
  readonly reject: (error: unknown) => void;
}

const outage = (): BlixardError => new BlixardError('STORE_UNAVAILABLE', { problem: 'simulated' });

/** What a store of one process is made from. */
export interface SimStoreDeps {
  readonly db: SqliteDatabase;
  readonly time: SimTime;
  readonly chance: Chance;
  readonly process: SimProcess;
  readonly profile: () => Profile;
  /** Ends the process between a commit and its answer. */
  readonly crash: () => void;
}

/** Batches stay in order; queries see what is committed when they run. */
export class SimStore implements Database {
  readonly #deps: SimStoreDeps;
  #waiting: Waiting[] = [];

  constructor(deps: SimStoreDeps) {
    this.#deps = deps;
  }

  batch(statements: readonly Statement[]): Promise<readonly Result[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ statements, resolve, reject });
      if (this.#waiting.length > 1) return;
      const { time, chance, process } = this.#deps;
      time.after(chance.random.unit() * 2, 'commit', process, () => this.#commit());
    });
  }

  query(statement: Statement): Promise<readonly Row[]> {
    const { db, time, chance, process, profile } = this.#deps;
    return new Promise((resolve, reject) => {
      time.after(chance.random.unit(), 'query', process, async () => {
        if (chance.of(profile().storeRefuses)) reject(outage());
        else await db.query(statement).then(resolve, reject);
      });
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #commit(): Promise<void> {
    const { db, chance, process, profile, crash } = this.#deps;
    const group = this.#waiting;
    this.#waiting = [];
    if (chance.of(profile().storeRefuses)) {
      for (const { reject } of group) reject(outage());
      return;
    }
    const outcomes = await Promise.allSettled(group.map(({ statements }) => db.batch(statements)));
    if (chance.of(profile().crashAtCommit)) crash();
    if (!process.alive) return;
    const isLost = chance.of(profile().storeLosesAnswer);
    for (const [index, { resolve, reject }] of group.entries()) {
      const outcome = outcomes[index];
      if (isLost || outcome === undefined) reject(outage());
      else if (outcome.status === 'fulfilled') resolve(outcome.value);
      else reject(outcome.reason);
    }
  }
}
