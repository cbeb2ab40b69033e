/**
 * The least a durable queue can be on the same SQLite library: one table, its order, its counts, and a group commit.
 * It cannot retry, cancel, limit, expire or tell; what it reaches is what the machine of a run gives.
 */
import { randomBytes } from 'node:crypto';

const { loadSqlite } = await import(new URL('../../../dist/store/sqlite/library.js', import.meta.url).href);

const groupMax = 1_000;
const leaseMs = 30_000;

const schema = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA cache_size = -65536;
  CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, queue TEXT NOT NULL, state TEXT NOT NULL,
    priority INTEGER NOT NULL, run_at_ms INTEGER NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,
    lease_until_ms INTEGER, ended_at_ms INTEGER, payload TEXT NOT NULL
  ) STRICT;
  CREATE INDEX jobs_ready ON jobs (queue, priority DESC, run_at_ms, seq) WHERE state = 'pending';
  CREATE INDEX jobs_by_state ON jobs (state);
  CREATE TABLE counts (state TEXT NOT NULL PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO counts VALUES ('pending', 0), ('running', 0), ('ended', 0);
  CREATE TRIGGER made AFTER INSERT ON jobs BEGIN
    UPDATE counts SET n = n + 1 WHERE state = NEW.state;
  END;
  CREATE TRIGGER moved AFTER UPDATE OF state ON jobs BEGIN
    UPDATE counts SET n = n - 1 WHERE state = OLD.state;
    UPDATE counts SET n = n + 1 WHERE state = NEW.state;
  END;`;
const insert = `INSERT INTO jobs (id, queue, state, priority, run_at_ms, payload)
  VALUES (?, 'default', 'pending', 0, ?, ?)`;
const claim = `UPDATE jobs SET state = 'running', attempt = attempt + 1, lease_until_ms = ?
  WHERE seq IN (SELECT seq FROM jobs INDEXED BY jobs_ready WHERE queue = 'default' AND state = 'pending'
    ORDER BY priority DESC, run_at_ms, seq LIMIT ?)
  RETURNING seq, payload`;
const complete = `UPDATE jobs SET state = 'ended', ended_at_ms = ?
  FROM json_each(?) AS done WHERE jobs.seq = done.value AND +jobs.state = 'running'`;

/** Opens a new queue in `file`. */
export async function openDesk(file) {
  const handle = new (await loadSqlite())(file);
  handle.exec(schema);
  return new Desk(handle);
}

class Desk {
  #handle;
  #statements;
  #writes = [];
  #turn;
  /** The call of the one worker, while it waits for jobs. */
  #waiting;

  constructor(handle) {
    this.#handle = handle;
    const named = { begin: 'BEGIN IMMEDIATE', commit: 'COMMIT', insert, claim, complete };
    this.#statements = Object.fromEntries(
      Object.entries(named).map(([name, sql]) => [name, handle.prepare(sql)]),
    );
  }

  /** Stores jobs; a worker that waits gets them in the same transaction. Resolves with their ids, on disk. */
  async add(payloads) {
    let given = [];
    let waiting;
    const ids = await this.#write(() => {
      const made = payloads.map((payload) => this.#insert(payload));
      waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting !== undefined) given = this.#claim(waiting.want);
      return made;
    });
    waiting?.resolve(given);
    return ids;
  }

  /** Ends jobs and claims others in one transaction; waits up to `waitMs` where there are none. */
  async work({ done, want, waitMs }) {
    let onJobs;
    const later = new Promise((resolve) => {
      onJobs = resolve;
    });
    const waiting = { want, resolve: onJobs };
    const jobs = await this.#write(() => {
      if (done.length > 0) this.#statements.complete.run(BigInt(Date.now()), JSON.stringify(done));
      const claimed = want > 0 ? this.#claim(want) : [];
      // Within the transaction: a job of the next write of it must not be missed.
      if (want > 0 && waitMs > 0 && claimed.length === 0) this.#waiting = waiting;
      return claimed;
    });
    if (jobs.length > 0 || want === 0 || waitMs === 0) return jobs;
    setTimeout(() => {
      if (this.#waiting === waiting) {
        this.#waiting = undefined;
        waiting.resolve([]);
      }
    }, waitMs).unref();
    return later;
  }

  close() {
    this.#handle.close();
  }

  #insert(payload) {
    const nowMs = Date.now();
    // Ids that grow are written beside one another.
    const id = nowMs.toString(16).padStart(12, '0') + randomBytes(10).toString('hex');
    this.#statements.insert.run(id, BigInt(nowMs), payload);
    return id;
  }

  #claim(want) {
    return this.#statements.claim.all(BigInt(Date.now() + leaseMs), BigInt(want));
  }

  /** Joins what comes in one turn of the event loop into one transaction. */
  #write(act) {
    return new Promise((resolve, reject) => {
      this.#writes.push({ act, resolve, reject });
      this.#turn ??= setImmediate(() => this.#commit());
    });
  }

  #commit() {
    const group = this.#writes.splice(0, groupMax);
    this.#turn = this.#writes.length > 0 ? setImmediate(() => this.#commit()) : undefined;
    try {
      this.#statements.begin.run();
      const results = group.map(({ act }) => act());
      this.#statements.commit.run();
      for (const [index, { resolve }] of group.entries()) resolve(results[index]);
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}
