/** The options of the queue bench. */
import { type System, systems } from './systems.ts';

/** What is measured. */
export interface Options {
  readonly systems: readonly System[];
  readonly jobs: number;
  readonly concurrencies: readonly number[];
  readonly rounds: number;
}

/**
 * `--systems blixard,bullmq` (starts of names), `--jobs N`, `--concurrency 1,10,50`, `--rounds N`. Throws for what is
 * no number, and for a name that no system has.
 */
export function readOptions(args: readonly string[]): Options {
  return {
    systems: chosen(optionOf(args, '--systems')),
    jobs: numberOf('--jobs', optionOf(args, '--jobs') ?? '20000'),
    concurrencies: (optionOf(args, '--concurrency') ?? '1,10,50')
      .split(',')
      .map((text) => numberOf('--concurrency', text)),
    rounds: numberOf('--rounds', optionOf(args, '--rounds') ?? '1'),
  };
}

function chosen(names: string | undefined): readonly System[] {
  if (names === undefined) return systems;
  const starts = names.split(',');
  const unknown = starts.find((start) => !systems.some((system) => system.name.startsWith(start)));
  if (unknown !== undefined) {
    throw new Error(
      `no system is called ${unknown}; there are: ${systems.map(({ name }) => name).join(', ')}`,
    );
  }
  return systems.filter((system) => starts.some((start) => system.name.startsWith(start)));
}

function optionOf(args: readonly string[], flag: string): string | undefined {
  const at = args.indexOf(flag);
  return at < 0 ? undefined : args[at + 1];
}

function numberOf(flag: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${flag} is ${text}; allowed: whole numbers from 1`);
  return value;
}
