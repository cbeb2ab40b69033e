/** What a claim may give while queues take turns or have rates: how many, from which queues, of each line the best. */
import { byRank, type Model, rankOf } from './model.suite.ts';
import type { ModelJob } from './model-parts.suite.ts';

/** Whether the order of claims depends on turns or rates. */
export function isShaped(model: Model, queues: readonly string[]): boolean {
  return queues.some((queue) => linesBy(model, queue) !== 'none' || model.queue(queue).rateLimit !== null);
}

/** Which jobs of a queue stand in a line of their own; a rate of each key needs lines of keys. */
export function linesBy(model: Model, queue: string): 'none' | 'tenant' | 'key' {
  const { fairBy, rateLimitPerKey } = model.queue(queue);
  return rateLimitPerKey === null ? fairBy : 'key';
}

/** The line of a job in its queue. */
export function lineOf(model: Model, { queue, tenant, key = '' }: ModelJob): string {
  return { none: '', tenant, key }[linesBy(model, queue)];
}

/** Tokens that the jobs of a line have. */
export function tokensOfLine(model: Model, { queue, key }: ModelJob, nowMs: number): number {
  return linesBy(model, queue) === 'key'
    ? model.rates.tokensOfKey(queue, key, nowMs)
    : Number.POSITIVE_INFINITY;
}

interface Claim {
  readonly worker: number;
  readonly want: number;
  /** What the worker was told. */
  readonly ids: readonly string[];
  readonly nowMs: number;
}

/**
 * Gives a worker what it was told. Whose turn it was is held elsewhere; here it must be as many as wanted, as far as
 * limits and rates leave room and no farther, of each line the best, and of the queues those that stand first. Gives
 * what is wrong.
 */
export function claimShaped(model: Model, { worker, want, ids, nowMs }: Claim): string[] {
  const ready = model.ready(worker).sort(byRank);
  const claimed = ready.filter(({ id }) => ids.includes(id));
  const wrong: string[] = [];
  if (ids.join() !== claimed.map(({ id }) => id).join())
    wrong.push(`not ready, or not the best first: ${ids}`);
  const places: number[] = [];
  const taken: number[] = [];
  for (const jobs of groupedBy(ready, ({ queue }) => queue).values()) {
    const given = placesOf(model, jobs, nowMs);
    const got = jobs.filter((job) => claimed.includes(job));
    if (got.length > given.length) wrong.push(`${jobs[0]?.queue} gave ${got.length} of ${given.length}`);
    places.push(...given);
    taken.push(...given.slice(0, got.length));
    for (const line of groupedBy(jobs, (job) => lineOf(model, job)).values())
      wrong.push(...wrongInLine(model, line, claimed, nowMs));
  }
  const best = places.sort(upwards).slice(0, want);
  if (taken.sort(upwards).join() !== best.join()) wrong.push(`took ${taken}, and not the first, ${best}`);
  model.give(worker, claimed, nowMs);
  return wrong;
}

/** Where each job that a queue may give stands among those of all queues; one with lines stands with its best job. */
function placesOf(model: Model, jobs: readonly ModelJob[], nowMs: number): number[] {
  const [best] = jobs;
  if (best === undefined) return [];
  const lines = [...groupedBy(jobs, (job) => lineOf(model, job)).values()];
  const possible = lines.reduce((sum, line) => sum + roomOfLine(model, line, nowMs), 0);
  const count = Math.max(0, Math.min(possible, model.roomIn(best.queue, nowMs)));
  const inLines = linesBy(model, best.queue) !== 'none';
  return jobs.slice(0, count).map((job) => rankOf(inLines ? best : job));
}

function roomOfLine(model: Model, line: readonly ModelJob[], nowMs: number): number {
  const [first] = line;
  return first === undefined ? 0 : Math.min(line.length, tokensOfLine(model, first, nowMs));
}

function wrongInLine(
  model: Model,
  line: readonly ModelJob[],
  claimed: readonly ModelJob[],
  nowMs: number,
): string[] {
  const count = line.filter((job) => claimed.includes(job)).length;
  const name = `line ${line[0] && lineOf(model, line[0])}`;
  const isBest = line.slice(0, count).every((job) => claimed.includes(job));
  return [
    ...(isBest ? [] : [`${name} gave not its best`]),
    ...(count > roomOfLine(model, line, nowMs) ? [`${name} gave ${count} without tokens`] : []),
  ];
}

function groupedBy(jobs: readonly ModelJob[], nameOf: (job: ModelJob) => string): Map<string, ModelJob[]> {
  const groups = new Map<string, ModelJob[]>();
  for (const job of jobs) groups.set(nameOf(job), [...(groups.get(nameOf(job)) ?? []), job]);
  return groups;
}

function upwards(a: number, b: number): number {
  return a - b;
}
