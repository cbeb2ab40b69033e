/** What every bench prints: a table with ratios, and with `--json FILE` the same as an array. */
import { writeFileSync } from 'node:fs';

/** One figure. `ratio` is value / baseline, both measured in this run. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly baseline: number | null;
  readonly ratio: number | null;
}

export class Report {
  readonly #figures: Figure[] = [];

  /** Adds a figure and says it at once, so that a long bench shows that it lives. */
  add(name: string, unit: string, value: number, baseline?: number): void {
    const ratio = baseline === undefined || baseline === 0 ? null : value / baseline;
    this.#figures.push({ name, unit, value, baseline: baseline ?? null, ratio });
    process.stderr.write(`  ${name}: ${short(value)} ${unit}\n`);
  }

  /** Prints the table, and writes the file that `--json FILE` names. */
  finish(title: string, args: readonly string[]): void {
    const head = ['figure', 'value', 'unit', 'baseline', 'ratio'];
    const rows = this.#figures.map((figure) => [
      figure.name,
      short(figure.value),
      figure.unit,
      figure.baseline === null ? '' : short(figure.baseline),
      figure.ratio === null ? '' : `${short(figure.ratio)}x`,
    ]);
    const widths = head.map((cell, column) =>
      Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
    );
    const line = (cells: readonly string[]): string =>
      cells
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ');
    process.stdout.write(`\n${title}\n${[head, ...rows].map(line).join('\n')}\n`);
    const at = args.indexOf('--json');
    const file = at < 0 ? undefined : args[at + 1];
    if (file !== undefined) writeFileSync(file, `${JSON.stringify(this.#figures, null, 2)}\n`);
  }
}

function short(value: number): string {
  if (value === 0) return '0';
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en-US');
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return value.toPrecision(3);
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Runs `act` `count` times, one after another; the ms each took. */
export async function timed(count: number, act: (index: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    await act(index);
    times.push(performance.now() - start);
  }
  return times;
}
