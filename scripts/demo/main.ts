/** The demo: starts the real system, runs five real jobs through the SDK, and shows what happened. */
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { errorText } from '../../src/cli/report-error.ts';
import { BlixardClient, httpTransport } from '../../src/client/index.ts';
import { BlixardError } from '../../src/domain/errors.ts';
import { formatDurationMs } from '../../src/domain/units.ts';
import { loadConfig } from '../../src/main/config.ts';
import type { Config } from '../../src/main/config-keys.ts';
import { startUp, type UpNode } from '../../src/main/up.ts';
import { realClock } from '../../src/platform/clock.ts';
import { lockDirectory } from '../../src/platform/directory-lock.ts';
import { makeLog } from '../../src/platform/log.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import { demoJobs } from './jobs.ts';
import { runDemoJob } from './run-job.ts';
import { type EndedDemoJob, endTable, JobLines, paint } from './show.ts';

/** Kept between runs, so that the host is probed only once. */
const dataDir = fileURLToPath(new URL('../../.blixard/demo', import.meta.url));
/** What an earlier run may have left; jobs of an interrupted demo would run again. */
const stateOfLastRun = ['blixard.db', 'blixard.db-wal', 'blixard.db-shm', 'logs'];

try {
  process.exitCode = await demo();
} catch (error) {
  process.stderr.write(errorText(error, { paint, verbose: false }).text);
  process.exitCode = 1;
}

async function demo(): Promise<number> {
  const lock = await lockDirectory(dataDir, 'demo');
  if (lock === undefined) throw new BlixardError('USAGE', { problem: 'another demo is running here' });
  for (const name of stateOfLastRun) await rm(`${dataDir}/${name}`, { recursive: true, force: true });
  say(`\n${paint('bold', 'Starting Blixard')} (control node, SQLite and a worker in one process)`);
  const startedMs = realClock.monotonicMs();
  const config = await demoConfig();
  const node = await startUp({
    config,
    version: 'demo',
    env: process.env,
    clock: realClock,
    random: realRandom,
    ids: makeIds(realClock, realRandom),
    log: makeLog('error'),
  });
  stopWhenInterrupted(node);
  try {
    say(`  ready after ${formatDurationMs(realClock.monotonicMs() - startedMs)} at ${node.url}`);
    requireVms(node);
    return await runJobs(node.url, config.slots);
  } finally {
    await node.drain();
  }
}

async function demoConfig(): Promise<Config> {
  const { env } = process;
  const own = await loadConfig({ flags: {}, env, cwd: process.cwd() });
  const flags = { 'data-dir': dataDir, 'images-dir': own.values.imagesDir, port: '0', 'stop-grace': '1s' };
  return (await loadConfig({ flags, env, cwd: process.cwd() })).values;
}

function requireVms({ vms }: UpNode): void {
  const reason = vms.unavailableReason();
  if (reason !== null) throw new BlixardError('VM_MANAGER_UNAVAILABLE', { reason });
  say(`  microVMs: ${vms.host()?.capabilities.accelReason ?? 'unknown'}`);
}

async function runJobs(url: string, slots: number): Promise<number> {
  const client = new BlixardClient({ transport: httpTransport({ url }) });
  const width = Math.max(...demoJobs.map(({ name }) => name.length));
  say(`\n${paint('bold', 'Five jobs, each in a microVM of its own')}, ${slots} at a time`);
  for (const { name, about } of demoJobs) say(`  ${name.padEnd(width)}   ${paint('dim', about)}`);
  say('');
  try {
    const ended = await Promise.all(
      demoJobs.map((job, index) => runDemoJob(client, job, new JobLines(job.name, index, width))),
    );
    return tellEnd(ended);
  } finally {
    await client.close();
  }
}

function tellEnd(ended: readonly EndedDemoJob[]): number {
  say(`\n${paint('bold', 'What happened')}\n${endTable(ended)}`);
  const surprises = ended.filter(({ asExpected }) => !asExpected);
  if (surprises.length > 0) {
    say(`${surprises.map(({ name }) => name).join(', ')} did not end as expected.`);
    return 1;
  }
  say('All five ended as they should. Now your own:\n');
  say('  npx blixard up                                       # in one terminal');
  say("  npx blixard run -- sh -c 'echo hello; uname -r'      # in another");
  return 0;
}

/** A demo that is interrupted leaves nothing running. */
function stopWhenInterrupted(node: UpNode): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void node.kill().then(() => process.exit(1)));
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
