/** How a command is declared: one object per command, turned into commander's form here. */
import { type Command, Option } from 'commander';
import type { BlixardClient } from '../client/index.ts';
import type { CliContext, FlagGroup, Flags } from './context.ts';
import { makePaint, type Paint } from './output/style.ts';
import { type ShowTime, timeShower } from './output/time.ts';
import { OutputClosed } from './terminal.ts';
import { nameOf, tellComplaints } from './usage.ts';

/** One call of a command, with what it was called with. */
export interface Call<Options = object> {
  readonly context: CliContext;
  readonly args: readonly string[];
  readonly options: Options;
  readonly flags: Flags;
  /** `-o json` was asked for. */
  readonly json: boolean;
  /** Colours for standard output. */
  readonly paint: Paint;
  readonly time: ShowTime;
}

/** What a command is: how it is called and what it does. */
export interface CommandSpec<Options> {
  /** Name and arguments, for example `get <job>`. */
  readonly usage: string;
  readonly summary: string;
  /** Which configuration flags it takes. */
  readonly flags?: FlagGroup;
  /** It prints data and takes `-o json|table`. */
  readonly printsData?: boolean;
  readonly examples: readonly string[];
  /** Adds arguments and options of its own. */
  setUp?(command: Command): void;
  /** Resolves with the exit code; nothing means 0. */
  run(call: Call<Options>): Promise<number | undefined>;
}

/** What a run of the program leaves behind for its caller. */
export interface Outcome {
  exitCode: number;
  verbose: boolean;
  /** The command that ran, for example `blixard job get`. */
  command: string;
}

/** What every command is given when it is added. */
export interface CommandHome {
  readonly context: CliContext;
  readonly outcome: Outcome;
}

/** Adds a command to `parent`. */
export function addCommand<Options extends object>(
  parent: Command,
  home: CommandHome,
  spec: CommandSpec<Options>,
): Command {
  const { context, outcome } = home;
  const command = tellComplaints(parent.command(spec.usage).description(spec.summary));
  spec.setUp?.(command);
  if (spec.printsData === true) {
    command.addOption(new Option('-o, --output <format>', 'form of the output').choices(['table', 'json']));
  }
  const names = addConfigFlags(command, context, spec.flags);
  command.option('--verbose', 'on an error, also print where it came from');
  command.addHelpText('after', examplesText(spec.examples));
  return command.action(async () => {
    const options = command.opts<Options & { verbose?: boolean; output?: string }>();
    outcome.verbose = options.verbose === true;
    outcome.command = nameOf(command);
    const exitCode = await spec.run({
      context,
      args: command.args,
      options,
      flags: flagsGiven(command, names),
      json: options.output === 'json',
      paint: makePaint(context.terminal.hasColour('stdout')),
      time: timeShower(context.terminal.isTty('stdout'), context.clock.nowMs()),
    });
    outcome.exitCode = exitCode ?? 0;
  });
}

/** `blixard job help get` is `blixard job get --help`. */
export const helpVerb = ['help [command]', 'print the help of a command'] as const;

/** Adds a noun, a command that only holds others. */
export function addNoun(parent: Command, name: string, summary: string): Command {
  return tellComplaints(
    parent
      .command(name)
      .description(summary)
      .helpCommand(...helpVerb),
  );
}

/** Runs `use` with a client and closes the client whatever happens. */
export async function withClient<T>(call: Call, use: (client: BlixardClient) => Promise<T>): Promise<T> {
  const client = await call.context.connect(call.flags);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** Prints a value as JSON on standard output. */
export function printJson(call: Call, value: unknown): Promise<void> {
  return call.context.terminal.write('stdout', `${JSON.stringify(value, null, 2)}\n`);
}

/** Prints data on standard output. */
export function print(call: Call, text: string): Promise<void> {
  return call.context.terminal.write('stdout', text);
}

/** Says something on standard error; to nobody when its reader has gone. */
export async function say(context: CliContext, text: string): Promise<void> {
  try {
    await context.terminal.write('stderr', `blixard: ${text}\n`);
  } catch (error) {
    if (!(error instanceof OutputClosed)) throw error;
  }
}

function addConfigFlags(command: Command, context: CliContext, group: FlagGroup | undefined): string[] {
  if (group === undefined) return [];
  const flags = context.configFlags(group);
  for (const { name, placeholder, about } of flags) command.option(`--${name} ${placeholder}`, about);
  return flags.map((flag) => flag.name);
}

function flagsGiven(command: Command, names: readonly string[]): Flags {
  const options = command.opts<Record<string, unknown>>();
  const given = names.map((name): [string, string | undefined] => {
    const value = options[attributeOf(name)];
    return [name, typeof value === 'string' ? value : undefined];
  });
  return Object.fromEntries(given);
}

/** commander keeps `--data-dir` as `dataDir`. */
function attributeOf(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function examplesText(examples: readonly string[]): string {
  return `\nExamples:\n${examples.map((example) => `  $ ${example}\n`).join('')}`;
}
