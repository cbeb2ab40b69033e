import { describe, expect, it } from 'vitest';
import { BlixardError } from '../domain/errors.ts';
import { seededRandom } from '../platform/random.ts';
import type { Database } from '../store/database.ts';
import { testIds, World } from './world.suite.ts';

/** While `on`, a tenth of all calls fail: half of the failing writes are on disk all the same. */
class FaultyStore implements Database {
  on = false;
  readonly #db: Database;
  readonly #random;

  constructor(db: Database, seed: number) {
    this.#db = db;
    this.#random = seededRandom(seed);
  }

  batch: Database['batch'] = async (statements) => {
    const chance = this.on ? this.#random.unit() : 1;
    if (chance < 0.05) throw away();
    const results = await this.#db.batch(statements);
    if (chance < 0.1) throw away();
    return results;
  };

  query: Database['query'] = async (statement, options) => {
    if (this.on && this.#random.unit() < 0.1) throw away();
    return await this.#db.query(statement, options);
  };

  close(): Promise<void> {
    return this.#db.close();
  }
}

function away(): BlixardError {
  return new BlixardError('STORE_UNAVAILABLE', { problem: 'the disk hiccups' });
}

describe('a store that fails now and then, also after it has written', () => {
  it.each([1, 2, 3, 4])('loses and doubles nothing (seed %i)', { timeout: 30_000 }, async (seed) => {
    const stores: FaultyStore[] = [];
    const world = await World.open((db) => {
      const store = new FaultyStore(db, seed);
      stores.push(store);
      return store;
    });
    const { executor } = await world.startWorker({ slots: 3 });
    for (const store of stores) store.on = true;
    const ids = Array.from({ length: 20 }, () => testIds());
    for (const [n, id] of ids.entries()) {
      const command = n % 3 === 0 ? ['print', 'x', ';', 'exit', '3'] : ['sleep', '3', ';', 'print', 'x'];
      const backoff = { type: 'fixed', delayMs: 20, jitter: 0 } as const;
      const body = { id, command, attemptsMax: 2, backoff };
      await eventually(() => world.client.call('submitJob', { body }));
    }
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    for (const store of stores) store.on = false;
    for (const [n, id] of ids.entries()) {
      const job = await world.ended(id);
      expect(job).toMatchObject(n % 3 === 0 ? { state: 'failed', exitCode: 3 } : { state: 'completed' });
    }
    expect(new Set(executor.begun).size).toBe(executor.begun.length);
    expect(await world.close()).toEqual([]);
  });
});

async function eventually<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' });
    }
  }
}
