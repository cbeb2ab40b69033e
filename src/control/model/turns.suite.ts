/** Whether lines that all have ready jobs get what their weights say, over any stretch of time, within a turn each. */
import { isDeepStrictEqual } from 'node:util';
import type { QueueSettings } from '../../contract/queue.ts';
import type { Model } from './model.suite.ts';
import type { ModelJob, ModelQueue } from './model-parts.suite.ts';
import { lineOf, linesBy, tokensOfLine } from './shaped.suite.ts';

/** A turn of a line with weight 1. */
const wholeTurn = 10_000;

/** A line that has had ready jobs, and tokens for them, since it was first seen. */
interface Line {
  readonly queue: string;
  readonly ready: ReadonlySet<ModelJob>;
  /** What a turn of it has cost at most. */
  readonly turn: number;
}

/** By how much the one was ahead of the other at most, and at least, since both were there. */
interface Lead {
  readonly now: number;
  readonly least: number;
  readonly most: number;
}

/** Looks at the claims of all steps. It knows no order of turns: only what comes of it. */
export class Turns {
  readonly #model: Model;
  readonly #taken = new Map<string, number>();
  #lines = new Map<string, Line>();
  #leads = new Map<string, Lead>();
  #settings = new Map<string, QueueSettings>();

  constructor(model: Model) {
    this.#model = model;
  }

  /** These jobs have been claimed in this step. */
  take(claimed: readonly ModelJob[]): void {
    for (const job of claimed) {
      const name = this.#nameOf(job);
      this.#taken.set(name, (this.#taken.get(name) ?? 0) + turnOf(this.#model, job));
    }
  }

  /** After a step: gives the pairs of lines of which one got too much. */
  look(nowMs: number): string[] {
    const lines = this.#linesNow(nowMs);
    const wrong: string[] = [];
    const leads = new Map<string, Lead>();
    const names = [...lines.keys()].sort();
    for (const [index, a] of names.entries())
      for (const b of names.slice(index + 1)) {
        const [first, second] = [lines.get(a), lines.get(b)];
        if (first === undefined || second === undefined || first.queue !== second.queue) continue;
        const lead = this.#leadOf(a, b, first, second);
        leads.set(`${a} ${b}`, lead);
        const most = first.turn + second.turn;
        if (lead.most - lead.least > most)
          wrong.push(`${a} and ${b}: ahead by ${lead.least} to ${lead.most}, which is more than ${most}`);
      }
    this.#lines = lines;
    this.#leads = leads;
    this.#taken.clear();
    this.#settings = new Map(this.#model.queues().map(([name, queue]) => [name, settingsOf(queue)]));
    return wrong;
  }

  #linesNow(nowMs: number): Map<string, Line> {
    const lines = new Map<string, Line>();
    for (const job of this.#model.jobs) {
      const { queue, state, waits } = job;
      if (state !== 'pending' || waits || linesBy(this.#model, queue) === 'none') continue;
      if (tokensOfLine(this.#model, job, nowMs) === 0) continue;
      const name = this.#nameOf(job);
      const ready = new Set(lines.get(name)?.ready).add(job);
      const turn = Math.max(turnOf(this.#model, job), this.#lines.get(name)?.turn ?? 0);
      lines.set(name, { queue, ready, turn });
    }
    return lines;
  }

  #leadOf(a: string, b: string, first: Line, second: Line): Lead {
    const before = this.#leads.get(`${a} ${b}`);
    if (before === undefined || !this.#stayed(a, first) || !this.#stayed(b, second))
      return { now: 0, least: 0, most: 0 };
    const now = before.now + (this.#taken.get(a) ?? 0) - (this.#taken.get(b) ?? 0);
    return { now, least: Math.min(before.least, now), most: Math.max(before.most, now) };
  }

  /** A job that was ready before and still is says that the line was never empty; other settings form it anew. */
  #stayed(name: string, { queue, ready }: Line): boolean {
    if (!isDeepStrictEqual(this.#settings.get(queue), settingsOf(this.#model.queue(queue)))) return false;
    return [...(this.#lines.get(name)?.ready ?? [])].some((job) => ready.has(job));
  }

  #nameOf(job: ModelJob): string {
    return `${job.queue}/${lineOf(this.#model, job)}`;
  }
}

function settingsOf({ paused: _paused, ...settings }: ModelQueue): QueueSettings {
  return structuredClone(settings);
}

/** What the turn costs that a job takes. */
export function turnOf(model: Model, job: ModelJob): number {
  return Math.floor(wholeTurn / (model.queue(job.queue).weights[lineOf(model, job)] ?? 1));
}
