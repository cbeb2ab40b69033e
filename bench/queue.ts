/** npm run bench:queue: Blixard beside other queues, the same work for each, in one run. */
import { fork } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { problemOf } from '../src/domain/errors.ts';
import { median, Report } from './lib/report.ts';
import type { Score, Task } from './queue/contest.ts';
import { benchIdle } from './queue/idle.ts';
import { type Options, readOptions } from './queue/options.ts';
import { report } from './queue/results.ts';
import { Servers } from './queue/servers.ts';
import type { System } from './queue/systems.ts';

const contest = fileURLToPath(new URL('queue/contest.ts', import.meta.url));
/** The concurrency at which enqueueing is measured, too. */
const usual = 10;
const payload = {
  to: 'ada@example.org',
  template: 'welcome',
  subject: 'Welcome aboard',
  locale: 'en-GB',
  tenant: 'acme',
  tags: ['mail', 'signup', 'first-day'],
  url: 'https://example.org/confirm?token=3f9c2a7e51',
};

const args = process.argv.slice(2);
const options = optionsOrUsage();
const dir = await mkdtemp(join(tmpdir(), 'blixard-bench-queue-'));
// The user of PostgreSQL must be able to reach its own folder in it.
await chmod(dir, 0o755);
const servers = new Servers(dir);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(1)));
}
try {
  const scores = new Map<string, Score[]>();
  for (let round = 0; round < options.rounds; round++) {
    for (const concurrency of options.concurrencies) {
      for (const system of options.systems) {
        // A contest can be lost to whatever else the machine does; a second one tells.
        const score = (await compete(system, concurrency)) ?? (await compete(system, concurrency));
        if (score === undefined) continue;
        const key = `${system.name}/${concurrency}`;
        scores.set(key, [...(scores.get(key) ?? []), score]);
      }
    }
  }
  const medians = new Map([...scores].map(([key, list]) => [key, medianOf(list)]));
  const table = new Report();
  report(table, options, medians);
  if (options.systems.some((system) => system.kind === 'blixard')) await benchIdle(table);
  table.finish(`Blixard beside other queues (${options.jobs} jobs)`, args);
} finally {
  await cleanUp();
}

async function cleanUp(): Promise<void> {
  await servers.stop();
  await rm(dir, { recursive: true, force: true });
}

/** Undefined, and said, when the system could not be measured. */
async function compete(system: System, concurrency: number): Promise<Score | undefined> {
  const own = await mkdtemp(join(dir, 'contest-'));
  const address = await servers.addressFor(system.server);
  const task: Task = {
    system,
    input: { dir: own, concurrency, payload, ...address },
    jobs: options.jobs,
    measureEnqueue: concurrency === usual || options.concurrencies.length === 1,
  };
  process.stderr.write(`  ${system.name}, concurrency ${concurrency} …\n`);
  const child = fork(contest, { execArgv: ['--import', 'tsx'] });
  const answer = await new Promise<{ score?: Score; error?: string }>((resolve) => {
    child.once('message', resolve);
    child.once('exit', (code) => resolve({ error: `it ended with ${code}` }));
    child.send(task);
  });
  if (answer.error !== undefined) process.stderr.write(`  ${system.name}: ${answer.error}\n`);
  await rm(own, { recursive: true, force: true });
  return answer.score;
}

function medianOf(list: readonly Score[]): Score {
  const [first] = list;
  if (first === undefined) throw new Error('no score');
  const names = Object.keys(first) as (keyof Score)[];
  const entries = names.map((name) => [name, median(list.map((score) => score[name] ?? Number.NaN))]);
  return Object.fromEntries(entries) as Score;
}

/** A wrong option is the caller's mistake: one line says which, and nothing is started. */
function optionsOrUsage(): Options {
  try {
    return readOptions(args);
  } catch (error) {
    console.error(problemOf(error));
    process.exit(2);
  }
}
