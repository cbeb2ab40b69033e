/** Reads the rows of one prepared statement: as a table, which is small to hand on, or as plain objects. */
import type { Row, SqlValue } from '../database.ts';
import type { BoundValue, PreparedStatement } from './library.ts';

/** Rows as lists of values, in the order of the names of their columns. */
export interface Table {
  readonly names: readonly string[];
  readonly values: readonly (readonly SqlValue[])[];
}

export class RowReader {
  readonly #statement: PreparedStatement;
  #names: readonly string[] = [];

  constructor(statement: PreparedStatement) {
    this.#statement = statement;
  }

  /** Runs the statement to its end. */
  all(args: readonly BoundValue[]): Table {
    const statement = this.#statement;
    if (statement.setReturnArrays === undefined || statement.columns === undefined)
      return tableOf(statement.all(...args) as Row[]);
    statement.setReturnArrays(true);
    const values = statement.all(...args) as SqlValue[][];
    const [first] = values;
    // A `*` gives other columns after a change of the schema.
    if (first !== undefined && first.length !== this.#names.length)
      this.#names = statement.columns().map(({ name }) => name);
    return { names: this.#names, values };
  }
}

/** The rows of a table as plain objects. */
export function rowsOf({ names, values }: Table): Row[] {
  return values.map((each) => {
    const row: Record<string, SqlValue> = {};
    // By index, because this runs for every column of every row that is read.
    for (let index = 0; index < names.length; index++) row[names[index] ?? ''] = each[index] ?? null;
    return row;
  });
}

function tableOf(rows: readonly Row[]): Table {
  const names = Object.keys(rows[0] ?? {});
  return { names, values: rows.map((row) => names.map((name) => row[name] ?? null)) };
}
