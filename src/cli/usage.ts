/** Wrong calls, told in the words of the command line: which flag is meant, and whose help says more. */
import type { Command } from 'commander';
import { BlixardError, errorCatalogue, isBlixardError } from '../domain/errors.ts';
import { formatDurationMs } from '../domain/units.ts';

/** Field of the API → how it is given here. */
const flagOfField: Readonly<Record<string, string>> = {
  command: '<command>',
  env: '-e',
  memoryMiB: '--memory',
  vcpus: '--cpus',
  diskMiB: '--disk',
  pids: '--pids',
  timeoutMs: '--timeout',
  executor: '--executor',
  image: '--image',
  queue: '--queue',
  cwd: '--workdir',
  uid: '--uid',
  stdinBase64: '--interactive',
  attemptsMax: '--attempts',
  backoff: '--backoff',
  'backoff.delayMs': '--backoff',
  'backoff.delayMaxMs': '--backoff-max',
  'backoff.jitter': '--backoff-jitter',
  attempt: '--attempt',
  olderThanMs: '--older-than',
  limit: '--limit',
  cursor: '--cursor',
  reason: '--reason',
  delayMs: '--delay',
  runAtMs: '--at',
  expireInMs: '--expire-in',
  priority: '--priority',
  unique: '--unique',
  retry: '--retry',
  labels: '--label',
  tenant: '--tenant',
  isolation: '--isolation',
  concurrencyKey: '--concurrency-key',
  weights: '--weight',
  rateLimit: '--rate',
  rateLimitPerKey: '--rate-per-key',
  fairBy: '--fair-by',
  concurrencyMax: '--concurrency',
  concurrencyMaxPerKey: '--concurrency-per-key',
  'retention.completedMs': '--keep-completed',
  'retention.failedMs': '--keep-failed',
  'retention.cancelledMs': '--keep-cancelled',
  label: '--label',
  text: '--text',
  createdAfterMs: '--since',
  createdBeforeMs: '--until',
  group: '--group',
  after: '--after',
  afterFailed: '--after-failed',
  inputs: '--input',
  artifacts: '--artifact',
  cron: '--cron',
  timeZone: '--tz',
  catchUpMax: '--catch-up-max',
  url: '--url',
  kind: '--kind',
  kinds: '--kind',
  secret: '--secret-stdin',
  'idempotency-key': '--idempotency-key',
};

/** Fields that are a time that passes, not one on the clock. */
const duration = /(?<!At|After|Before)Ms$/;

/** Fields that are a time on the clock. */
const onTheClock = /(?:At|After|Before)Ms$/;

/** The whole name of a command, for example `blixard job get`. */
export function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

/** Where to read how `name` is called. */
export function helpHint(name: string): string {
  return errorCatalogue.USAGE.hint.replace('blixard', name);
}

/** What the server refused, as a wrong call that names the flag; any other error as it is. */
export function inFlags(error: unknown): unknown {
  if (!isBlixardError(error, 'VALIDATION_FAILED')) return error;
  const { field, problem, value, allowed } = error.details;
  const path = String(field).replace(/^job\./, '');
  const flag = flagOfField[path] ?? flagOfField[path.split('.')[0] ?? ''];
  if (flag === undefined) return error;
  const isWhole = /^-?\d+$/.test(String(value));
  let wrong = `${field} ${problem}`;
  if (isWhole && duration.test(path)) wrong = inUnits(value, allowed);
  if (isWhole && onTheClock.test(path)) wrong = onClock(value, allowed);
  return new BlixardError('USAGE', { problem: `${flag}: ${wrong}` }, { cause: error });
}

/** As flags take it. */
function inUnits(valueMs: unknown, allowed: unknown): string {
  const bounds = String(allowed)
    .replace('an integer', 'a duration')
    .replace(/[\w.]+Ms\b/g, (field) => flagOfField[field] ?? field);
  const units = (text: string): string => text.replace(/\d+/g, (ms) => formatDurationMs(Number(ms)));
  return `it is ${units(String(valueMs))}; allowed: ${units(bounds)}`;
}

/** Epoch milliseconds as `--at` takes a time. */
function onClock(valueMs: unknown, allowed: unknown): string {
  const times = (text: string): string =>
    text.replace(/\b\d{11,15}\b/g, (ms) => new Date(Number(ms)).toISOString());
  return `it is ${times(String(valueMs))}; allowed: ${times(String(allowed))}`;
}

/** `help job get` is `job get --help`: commander looks at the first name only. */
export function helpOfWhole(program: Command, args: readonly string[]): string[] {
  const [help, noun, verb] = args;
  const verbs = program.commands.find((command) => command.name() === noun)?.commands ?? [];
  const isVerb = help === 'help' && verbs.some((command) => command.name() === verb);
  return isVerb ? [noun ?? '', verb ?? '', '--help'] : [...args];
}

/** commander's complaints about `command` in the form of every other error. */
export function tellComplaints(command: Command): Command {
  return command.configureOutput({ outputError: (text, write) => write(complaintText(command, text)) });
}

function complaintText(command: Command, text: string): string {
  const [problem = '', ...more] = text
    .trim()
    .replace(/^error: /, 'blixard: ')
    .split('\n');
  const meant = /^\(Did you mean (.*)\?\)$/.exec(more.join(' '))?.[1] ?? verbsMeant(command, problem);
  const hint = meant === undefined ? helpHint(nameOf(command)) : `did you mean ${meant}?`;
  return `${problem}\nhint: ${hint}\n`;
}

/** `blixard logs` is `blixard job logs`. */
function verbsMeant(command: Command, problem: string): string | undefined {
  const verb = /unknown command '(.*)'/.exec(problem)?.[1];
  const nouns = command.commands.filter((noun) => noun.commands.some((one) => one.name() === verb));
  return nouns.length === 0 ? undefined : nouns.map((noun) => `${noun.name()} ${verb}`).join(' or ');
}
