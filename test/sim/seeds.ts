/** Runs many seeds on one store, and says of a failing one where it failed and how to see that again. */
import { FakeClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { migrate } from '../../src/store/migrate.ts';
import { loadMigrations } from '../../src/store/migration-files.ts';
import { openSqlite, type SqliteDatabase } from '../../src/store/sqlite/sqlite.ts';
import { text } from '../../src/store/statements/columns.ts';
import { type RunOptions, type RunResult, runSeed } from './simulation.ts';

const long = process.env['BLIXARD_TEST_LONG'] === '1';
/** Seeds in one run of the tests, and the first of them. */
export const seedCount = Number(process.env['BLIXARD_SIM_SEEDS'] ?? (long ? 100_000 : 1_000));
export const firstSeed = Number(process.env['BLIXARD_SIM_SEED'] ?? 1);
const traces = process.env['BLIXARD_SIM_TRACE'] === '1';

/** Opened once, and emptied for each seed: to migrate costs more than a run. */
export class SeedRunner {
  readonly #db: SqliteDatabase;
  readonly #wipe: readonly { readonly sql: string }[];

  private constructor(db: SqliteDatabase, tables: readonly string[]) {
    this.#db = db;
    // Events last: the other tables have triggers that tell of what is done to them.
    const order = [...tables.filter((table) => table !== 'events'), 'events'];
    this.#wipe = order.map((table) => ({ sql: `DELETE FROM ${table}` }));
  }

  static async open(): Promise<SeedRunner> {
    const clock = new FakeClock();
    const db = await openSqlite({ file: ':memory:', clock, log: silentLog });
    await migrate(db, await loadMigrations(), clock.nowMs());
    const rows = await db.query({
      sql: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'schema_version' ORDER BY name",
    });
    return new SeedRunner(
      db,
      rows.map((row) => text(row, 'name')),
    );
  }

  /** Runs one seed on an empty store. */
  async run(seed: number, options: RunOptions = {}): Promise<RunResult> {
    await this.#db.batch(this.#wipe);
    return await runSeed(this.#db, seed, options);
  }

  /** Runs seeds from `first` on; throws at the first that fails. Gives what all came to. */
  async runAll(
    first: number,
    count: number,
    options: RunOptions = {},
  ): Promise<{ steps: number; stale: number }> {
    let [steps, stale] = [0, 0];
    const told = traces ? { ...options, onLine } : options;
    for (let seed = first; seed < first + count; seed++) {
      const result = await this.run(seed, told);
      // Once more, to find the step after which the store was no longer sound.
      if (result.problems.length > 0)
        throw new Error(failureText(result, await this.run(seed, { ...options, watch: true })));
      steps += result.steps;
      stale += result.stale;
    }
    return { steps, stale };
  }

  close(): Promise<void> {
    return this.#db.close();
  }
}

function onLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** What went wrong in a run, and in the same run watched. */
function failureText({ seed, problems }: RunResult, { steps, problems: seen }: RunResult): string {
  const replay = `BLIXARD_SIM_SEED=${seed} BLIXARD_SIM_SEEDS=1 BLIXARD_SIM_TRACE=1 npx vitest run --project sim`;
  const found = [...new Set([...seen, ...problems])].join('\n  ');
  return `seed ${seed} failed, seen first at step ${steps}:\n  ${found}\nSee it again: ${replay}`;
}
