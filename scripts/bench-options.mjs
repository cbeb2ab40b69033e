/** The options of every benchmark, read before anything is set up for it. */
import { parseArgs } from 'node:util';

const short = { text: 'fewer of everything, to see whether it runs' };
const json = { value: 'FILE', text: 'write the figures to this file as well' };
const number = (text) => ({ value: 'N', text });
const numbers = (text) => ({ value: 'N,N,…', text });

/** By name, as `bench/NAME.ts`. */
export const benches = {
  queue: {
    about: 'Blixard beside other queues: the same work for each, in one run',
    options: {
      systems: { value: 'NAME,…', text: 'only those whose names begin so; default: all' },
      jobs: number('jobs of each contest; default: 20000'),
      concurrency: numbers('in how many places at once they run; default: 1,10,50'),
      rounds: number('how often; the median counts; default: 1'),
    },
    example: '--systems blixard,bullmq --jobs 5000 --concurrency 10',
  },
  scale: {
    about: 'each command with few and with many jobs stored',
    options: {
      sizes: numbers('jobs stored; default: 1000,10000,100000,1000000'),
      scheduled: number('jobs scheduled for later; default: 100000'),
      queues: number('queues of one worker; default: 20'),
    },
    example: '--sizes 1000,100000 --scheduled 1000',
  },
  spine: {
    about: 'the main path, from a boot to a job that has ended',
    options: { short },
    example: '--short',
  },
  store: {
    about: 'what one job costs the store and the commands over it, by phase; group commit beside none',
    options: { jobs: number('jobs of each phase; default: 20000') },
    example: '--jobs 2000',
  },
  vm: {
    about: 'how fast VMs start and how many a host carries, beside bare QEMU',
    options: { short },
    example: '--short',
  },
};

/** What `--help` of a benchmark prints. */
export function usageOf(name) {
  const { about, options, example } = benches[name];
  const rows = Object.entries({ ...options, json, help: { text: 'this' } }).map(([flag, { value, text }]) => [
    `${flag === 'help' ? '-h, ' : ''}--${flag}${value === undefined ? '' : ` ${value}`}`,
    text,
  ]);
  const width = Math.max(...rows.map(([flag]) => flag.length));
  return [
    `npm run bench:${name} [-- OPTIONS]`,
    `  ${about}`,
    '',
    ...rows.map(([flag, text]) => `  ${flag.padEnd(width)}  ${text}`),
    '',
    `  npm run bench:${name} -- ${example} --json figures.json`,
    '',
  ].join('\n');
}

/**
 * Reads the words after `--`: `help` when they ask for it, else `args`, one word for each flag and one for its value.
 * Throws for an option that is none of this benchmark, and for a value that it does not take.
 */
export function readBenchOptions(name, words) {
  const options = { ...benches[name].options, json };
  const flags = Object.entries(options).map(([flag, { value }]) => [
    flag,
    { type: value === undefined ? 'boolean' : 'string' },
  ]);
  const help = { type: 'boolean', short: 'h' };
  const { values } = parseArgs({ args: words, options: { ...Object.fromEntries(flags), help } });
  if (values.help) return { help: true, args: [] };
  const args = Object.entries(values).flatMap(([flag, given]) => {
    if (given === true) return [`--${flag}`];
    assertTaken(flag, options[flag].value, given);
    return [`--${flag}`, given];
  });
  return { help: false, args };
}

function assertTaken(flag, value, given) {
  const parts = value === 'N' ? [given] : given.split(',');
  const isTaken = value.startsWith('N,') || value === 'N' ? parts.every(isCount) : given !== '';
  if (!isTaken) throw new Error(`--${flag} is ${JSON.stringify(given)}; allowed: ${allowed[value]}`);
}

const allowed = {
  N: 'a whole number from 1',
  'N,N,…': 'whole numbers from 1 with commas between them',
  'NAME,…': 'names with commas between them',
  FILE: 'the name of a file',
};

function isCount(text) {
  return /^[1-9][0-9]*$/.test(text) && Number.isSafeInteger(Number(text));
}
