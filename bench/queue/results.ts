/** The table of the queue bench: every figure of every system, Blixard's beside what it is measured against. */
import type { Report } from '../lib/report.ts';
import type { Score } from './contest.ts';
import type { Options } from './options.ts';
import { bullmqAlways, type System } from './systems.ts';

interface Column {
  readonly of: keyof Score;
  readonly what: string;
  readonly unit: string;
  /** What Blixard is compared with. */
  readonly rival: 'bullmq' | 'best' | 'bare';
}

const enqueueColumns: readonly Column[] = [
  { of: 'enqueue1', what: 'enqueue one at a time', unit: 'jobs/s', rival: 'bullmq' },
  { of: 'enqueue50', what: 'enqueue 50 in flight', unit: 'jobs/s', rival: 'bullmq' },
  { of: 'enqueue50', what: 'enqueue 50 in flight', unit: 'jobs/s', rival: 'bare' },
  { of: 'bulk', what: 'enqueue in bulk of 200', unit: 'jobs/s', rival: 'bullmq' },
];
const processColumns: readonly Column[] = [
  { of: 'process', what: 'process', unit: 'jobs/s', rival: 'best' },
  { of: 'process', what: 'process', unit: 'jobs/s', rival: 'bullmq' },
  { of: 'process', what: 'process', unit: 'jobs/s', rival: 'bare' },
  { of: 'pickUpP50', what: 'pick-up p50', unit: 'ms', rival: 'bullmq' },
  { of: 'pickUpP50', what: 'pick-up p50', unit: 'ms', rival: 'bare' },
  { of: 'pickUpP99', what: 'pick-up p99', unit: 'ms', rival: 'bullmq' },
  { of: 'pickUpP99', what: 'pick-up p99', unit: 'ms', rival: 'bare' },
];

type Scores = ReadonlyMap<string, Score>;

/** `scores` by `system/concurrency`. The figures of the others are told once, and without a baseline. */
export function report(table: Report, options: Options, scores: Scores): void {
  for (const concurrency of options.concurrencies) {
    const at = (system: System): Score | undefined => scores.get(`${system.name}/${concurrency}`);
    const columns = [...enqueueColumns, ...processColumns];
    for (const column of columns) {
      for (const system of options.systems) {
        const value = at(system)?.[column.of];
        if (value === undefined) continue;
        const about = `${column.what}${enqueueColumns.includes(column) ? '' : ` c=${concurrency}`}`;
        if (system.kind !== 'blixard') {
          if (isFirstOf(columns, column)) table.add(`${about}, ${system.name}`, column.unit, value);
          continue;
        }
        const rival = rivalOf(column, system, options.systems, at);
        const name = `${about}, ${system.name}`;
        if (rival !== undefined)
          table.add(`${name} (baseline: ${rival.name})`, column.unit, value, rival.value);
        else if (isFirstOf(columns, column)) table.add(name, column.unit, value);
      }
    }
  }
}

function isFirstOf(columns: readonly Column[], column: Column): boolean {
  return columns.find((each) => each.of === column.of) === column;
}

function rivalOf(
  { of, rival }: Column,
  own: System,
  systems: readonly System[],
  at: (system: System) => Score | undefined,
): { readonly name: string; readonly value: number } | undefined {
  const found = systems
    .filter((system) => isRival(rival, system, own))
    .flatMap((system) => {
      const value = at(system)?.[of];
      return value === undefined ? [] : [{ name: system.name, value }];
    });
  return found.sort((a, b) => b.value - a.value)[0];
}

/** What is bare stands beside what is made in the same way, in this process or over HTTP. */
function isRival(rival: Column['rival'], system: System, own: System): boolean {
  if (rival === 'bare') return system.kind === 'bare' && system.options['server'] === own.options['server'];
  if (system.kind !== 'peer' || !system.durable) return false;
  return rival === 'best' || system.name === bullmqAlways;
}
