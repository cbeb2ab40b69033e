/** Cost of one command on one job, over stores that hold few and many jobs; beside it the way that loads all. */
import type { AttemptRef } from '../../src/contract/worker.ts';
import { limits } from '../../src/domain/limits.ts';
import { median, type Report, timed } from './report.ts';
import { emptyJob, type Stored, withStored } from './stored.ts';

const submitsAtOnce = 500;
/** Ids to ask for, spread over all jobs stored. */
const idsKept = 1_000;
const warmUps = 50;
const rounds = 300;
/** Ahead of what has waited while a million jobs were stored: each minute weighs as much as a step. */
const claimedFirst = limits.priorityMax;
const names = [
  'first get of a waiting job',
  'get of a waiting job',
  'first get of an ended job',
  'get of an ended job',
  'claim',
  'start',
  'complete',
  'cancel',
  'retry',
] as const;
type Name = (typeof names)[number];
type Act = (index: number) => Promise<unknown>;

type Known = Pick<Filled, 'waiting' | 'ended'>;

/** A store that holds so many jobs: half of them wait, spread over the queues, and half have ended. */
export interface Filled {
  readonly stored: Stored;
  readonly size: number;
  /** Some of its jobs. A get of one that waits costs more: it is told what for. */
  readonly waiting: readonly string[];
  readonly ended: readonly string[];
}

/** Opens a store of each size, all at once, so that they can be measured in turns. */
export async function withFilled<T>(
  sizes: readonly number[],
  queues: readonly string[],
  act: (filled: readonly Filled[]) => Promise<T>,
): Promise<T> {
  const [size, ...others] = sizes;
  if (size === undefined) return act([]);
  return withStored(async (stored) => {
    const known = await fill(stored, size, queues);
    return withFilled(others, queues, (more) => act([{ stored, size, ...known }, ...more]));
  });
}

async function fill(stored: Stored, count: number, queues: readonly string[]): Promise<Known> {
  const waiting: string[] = [];
  const ended: string[] = [];
  // As many different jobs to ask for with few stored as with many, so that neither side reads the same few again.
  const apart = Math.max(1, Math.floor(count / idsKept));
  for (let done = 0; done < count; done += submitsAtOnce) {
    const jobs = Array.from({ length: Math.min(submitsAtOnce, count - done) }, (_, index) => ({
      ...emptyJob,
      queue: index % 2 === 0 ? (queues[(index / 2) % queues.length] ?? '') : 'ended',
    }));
    const made = await stored.jobs.submitAll(jobs);
    await Promise.all(
      made.filter((job) => job.spec.queue === 'ended').map((job) => stored.jobs.cancel(job.id)),
    );
    for (const { id, spec } of made.filter((_, index) => isKept(done + index, apart)))
      (spec.queue === 'ended' ? ended : waiting).push(id);
  }
  return { waiting, ended };
}

/** Odd, so that half of those kept wait and half have ended, and without a step in common with the queues. */
const keptStep = 421;

/** One job of so many, in few as in many of all queues alike: one that a worker serves waits for another reason. */
function isKept(place: number, apart: number): boolean {
  return place % apart === (Math.floor(place / apart) * keptStep) % apart;
}

/** The commands in their order, each over jobs of its own; every call is one command on one job. */
async function acts(
  { stored, waiting, ended }: Filled,
  served: readonly string[],
): Promise<Readonly<Record<Name, Act>>> {
  const calls = warmUps + rounds;
  const make = async (queue: string, length: number, priority = 0): Promise<string[]> => {
    const jobs = Array.from({ length }, () => ({ ...emptyJob, queue, priority }));
    return (await stored.jobs.submitAll(jobs)).map((job) => job.id);
  };
  // Enough to claim, however few were stored, and from each queue: those stored still wait when they are asked for.
  for (const queue of served) await make(queue, Math.ceil((2 * calls) / served.length), claimedFirst);
  const own = await make('aside', calls);
  const claimed: AttemptRef[] = [];
  const at = (index: number): string => own[index] ?? '';
  const held = (index: number): AttemptRef => claimed[index] ?? { jobId: '', attempt: 0 };
  const getOf =
    (ids: readonly string[]): Act =>
    (index) =>
      stored.queries.get(ids[(index * 7_919) % ids.length] ?? '');
  return {
    // Of jobs nobody has asked for lately: their pages are read from the file. A thousand jobs are always in memory.
    'first get of a waiting job': getOf(waiting),
    'get of a waiting job': getOf(waiting),
    'first get of an ended job': getOf(ended),
    'get of an ended job': getOf(ended),
    claim: async () => {
      const [job] = (await stored.work({ want: 1 })).claimed;
      if (job === undefined) throw new Error('nothing to claim');
      claimed.push(job);
    },
    start: (index) => stored.start(held(index)),
    complete: (index) => stored.work({ done: [held(index)] }),
    cancel: (index) => stored.jobs.cancel(at(index)),
    retry: (index) => stored.jobs.retry(at(index)),
  };
}

/** All in turns, call by call, so that whatever else the machine does meets all alike; the p50 of each, µs. */
async function inTurns(all: readonly Act[]): Promise<number[]> {
  const times = all.map((): number[] => []);
  for (let index = 0; index < warmUps + rounds; index++) {
    for (const [place, act] of all.entries()) times[place]?.push(...(await timed(1, () => act(index))));
  }
  return times.map((ms) => median(ms.slice(warmUps)) * 1_000);
}

/**
 * Each command in every store, against the same in the first; `how` says what is special this time. The worker of each
 * serves these queues. Gives the p50 of a get in the last store, µs.
 */
export async function benchCommands(
  report: Report,
  filled: readonly Filled[],
  served: readonly string[],
  how = '',
): Promise<number> {
  for (const { stored } of filled) await stored.register(served);
  const commands = await Promise.all(filled.map((each) => acts(each, served)));
  let lastGet = 0;
  for (const name of names) {
    const [base = 0, ...others] = await inTurns(commands.map((each) => each[name]));
    for (const [place, p50] of others.entries()) {
      const title = `${name}${how}, ${filled[place + 1]?.size} stored (baseline: ${filled[0]?.size})`;
      report.add(title, 'µs p50', p50, base);
    }
    if (name === 'get of an ended job') lastGet = others.at(-1) ?? base;
  }
  for (const each of filled) await checkWaiting(each);
  return lastGet;
}

/** A job that has ended is told in less time: one that was claimed would make a get of a waiting job look cheap. */
async function checkWaiting({ stored, size, waiting }: Filled): Promise<void> {
  for (const id of waiting) {
    const { state } = await stored.queries.get(id);
    if (state !== 'pending') throw new Error(`of ${size} stored, ${id} was to wait and is ${state}`);
  }
}

/** How the earlier system did it: every job is read and decoded to find one. `get` is what it costs by id, µs. */
export async function benchLoadAll(report: Report, filled: readonly Filled[], get: number): Promise<void> {
  for (const { stored, size, ended } of filled) {
    const id = ended.at(-1);
    const times = await timed(size > 10_000 ? 1 : 5, async () => {
      const rows = await stored.db.query({ sql: 'SELECT jobs.*, spec FROM jobs JOIN job_data USING (seq)' });
      const jobs = rows.map((row) => ({ id: row['id'], spec: JSON.parse(String(row['spec'])) as unknown }));
      const found = jobs.find((job) => job.id === id);
      if (found === undefined) throw new Error('not found');
    });
    report.add(`load all to find one, ${size} stored (baseline: get)`, 'µs', median(times) * 1_000, get);
  }
}
