/** How far the wall clocks of all control nodes are from the time of the simulation, and when they were set back. */
import type { SqliteDatabase } from '../../src/store/sqlite/sqlite.ts';
import { integer } from '../../src/store/statements/columns.ts';
import type { Chance } from './chance.ts';

export class WallClocks {
  skewMs = 0;
  /** Numbers of the newest events each time, as the verifier takes them. */
  readonly setBackAfter: number[] = [];
  readonly #db: SqliteDatabase;
  #mostMs = 0;

  constructor(db: SqliteDatabase) {
    this.#db = db;
  }

  /** By up to an hour, either way; all at once. */
  step(chance: Chance): void {
    const beforeMs = this.skewMs;
    this.skewMs = chance.pick([3_600_000, -3_600_000, 60_000, -60_000, 0]);
    this.#mostMs = Math.max(this.#mostMs, this.skewMs);
    if (this.skewMs >= beforeMs) return;
    // It is read at once.
    void this.#db
      .query({ sql: 'SELECT coalesce(max(seq), 0) AS seq FROM events' })
      .then(([row]) => this.setBackAfter.push(row === undefined ? 0 : integer(row, 'seq')));
  }

  /** Not back: what was put off until then would wait as long. */
  settle(): void {
    this.skewMs = this.#mostMs;
  }
}
