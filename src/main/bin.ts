#!/usr/bin/env -S node --disable-warning=ExperimentalWarning --
/** The program `blixard`: gives the CLI this process's streams, signals and wiring, and exits with its code. */
// The `--` above: Node.js 20 would take the --env-file of `blixard run` for its own. The warning: the first versions of
// Node.js 24 call their SQLite an experiment.
import { readFileSync } from 'node:fs';
import type { CliContext, Interrupt } from '../cli/context.ts';
import { reportError, runCli } from '../cli/program.ts';
import { processTerminal } from '../cli/terminal.ts';
import { realClock } from '../platform/clock.ts';
import { makeIds, realRandom } from '../platform/random.ts';
import { actorOf } from './actor.ts';
import { configFlags, connect, hostCommands } from './host-commands.ts';
import type { Machine } from './machine.ts';

const { env, stdin } = process;

const machine: Machine = {
  version: versionOfPackage(),
  terminal: processTerminal(process, env),
  env,
  cwd: process.cwd(),
  clock: realClock,
  random: realRandom,
  ids: makeIds(realClock, realRandom),
  onInterrupt,
};

const context: CliContext = {
  ...machine,
  actor: actorOf(),
  stdin,
  host: hostCommands(machine),
  configFlags,
  connect: (flags) => connect(machine, flags),
};

// Crash-only: what nobody caught ends the process; the next start recovers from disk.
process.on('uncaughtException', (error) => {
  const verbose = ['debug', 'trace'].includes(env['BLIXARD_LOG_LEVEL'] ?? '');
  void reportError(error, context, { verbose, command: 'blixard' }).then((exitCode) =>
    process.exit(exitCode),
  );
});

process.exitCode = await runCli(process.argv.slice(2), context);

function onInterrupt(listener: (signal: Interrupt) => void): () => void {
  const handlers = (['SIGINT', 'SIGTERM'] as const).map((signal) => {
    const handler = (): void => listener(signal);
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  return () => {
    for (const remove of handlers) remove();
  };
}

function versionOfPackage(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
