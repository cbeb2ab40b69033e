/** Reads the rows of one prepared statement as plain objects. */
import type { Row, SqlValue } from '../database.ts';
import type { BoundValue, PreparedStatement } from './library.ts';

export class RowReader {
  readonly #statement: PreparedStatement;
  #names: readonly string[] = [];
  #givesArrays: boolean | undefined;

  constructor(statement: PreparedStatement) {
    this.#statement = statement;
  }

  /** Runs the statement to its end. */
  all(args: readonly BoundValue[]): Row[] {
    const statement = this.#statement;
    this.#givesArrays ??= this.#askForArrays();
    if (!this.#givesArrays || statement.columns === undefined) return statement.all(...args).map(plainRow);
    const rows = statement.all(...args) as SqlValue[][];
    const [first] = rows;
    if (first === undefined) return [];
    // A `*` gives other columns after a change of the schema.
    if (first.length !== this.#names.length) this.#names = statement.columns().map(({ name }) => name);
    return rows.map((values) => this.#rowOf(values));
  }

  /** Some libraries cannot. */
  #askForArrays(): boolean {
    if (this.#statement.setReturnArrays === undefined || this.#statement.columns === undefined) return false;
    this.#statement.setReturnArrays(true);
    return true;
  }

  #rowOf(values: readonly SqlValue[]): Row {
    const names = this.#names;
    const row: Record<string, SqlValue> = {};
    // By index, because this runs for every column of every row that is read.
    for (let index = 0; index < names.length; index++) row[names[index] ?? ''] = values[index] ?? null;
    return row;
  }
}

function plainRow(row: unknown): Row {
  // These rows have no prototype, which assertions and serialisers treat as something else.
  return { ...(row as Row) };
}
