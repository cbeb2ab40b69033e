/** Tables of text: columns as wide as their cells, one of them cut to fit the terminal. */
import { type Colour, type Paint, printable } from './style.ts';

/** One column: its head, and what it says of a row. */
export interface Column<Row> {
  readonly head: string;
  readonly align?: 'right';
  /** Cut when the table is wider than the terminal. */
  readonly flexible?: boolean;
  /** Left out where the table would be too wide even so, the last such column first. */
  readonly optional?: boolean;
  cell(row: Row): string;
  colour?(row: Row): Colour | undefined;
}

const gap = '  ';
const flexibleMin = 12;

/** The table as lines with a head, each ending in a newline. `columns` is the terminal's width, if there is one. */
export function renderTable<Row>(
  rows: readonly Row[],
  allColumns: readonly Column<Row>[],
  paint: Paint,
  width?: number,
): string {
  const columns = columnsThatFit(rows, allColumns, width);
  const cells = cellsOf(rows, columns);
  const widths = fitWidths(widthsOf(columns, cells), columns, width);
  const head = columns.map((column, index) =>
    paint('bold', place(column.head, widths[index] ?? 0, column.align)),
  );
  const lines = rows.map((row, rowIndex) =>
    columns.map((column, index) => {
      const text = place(cells[rowIndex]?.[index] ?? '', widths[index] ?? 0, column.align);
      const colour = column.colour?.(row);
      return colour === undefined ? text : paint(colour, text);
    }),
  );
  return [head, ...lines].map((line) => `${line.join(gap).trimEnd()}\n`).join('');
}

/** Names and values under each other; entries without a value are left out. */
export function renderFacts(facts: readonly (readonly [string, string | undefined])[], paint: Paint): string {
  const known = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined);
  const width = Math.max(...known.map(([name]) => name.length));
  return known.map(([name, value]) => `${paint('dim', name.padEnd(width))}  ${value}\n`).join('');
}

function cellsOf<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string[][] {
  return rows.map((row) => columns.map((column) => printable(column.cell(row))));
}

function columnsThatFit<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  width: number | undefined,
): readonly Column<Row>[] {
  const last = columns.findLastIndex(({ optional }) => optional === true);
  if (width === undefined || last < 0) return columns;
  const widths = fitWidths(widthsOf(columns, cellsOf(rows, columns)), columns, width);
  return totalOf(widths) <= width ? columns : columnsThatFit(rows, columns.toSpliced(last, 1), width);
}

function totalOf(widths: readonly number[]): number {
  return widths.reduce((sum, one) => sum + one, gap.length * (widths.length - 1));
}

function widthsOf<Row>(columns: readonly Column<Row>[], cells: readonly (readonly string[])[]): number[] {
  return columns.map((column, index) =>
    Math.max(column.head.length, ...cells.map((row) => row[index]?.length ?? 0)),
  );
}

function fitWidths<Row>(
  widths: readonly number[],
  columns: readonly Column<Row>[],
  width: number | undefined,
): readonly number[] {
  if (width === undefined) return widths;
  const over = Math.max(0, totalOf(widths) - width);
  return widths.map((one, index) =>
    columns[index]?.flexible === true ? Math.min(one, Math.max(one - over, flexibleMin)) : one,
  );
}

function place(text: string, width: number, align: 'right' | undefined): string {
  const cut = text.length > width ? `${text.slice(0, width - 1)}…` : text;
  return align === 'right' ? cut.padStart(width) : cut.padEnd(width);
}
