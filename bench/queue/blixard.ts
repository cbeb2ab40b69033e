/** Blixard as a contestant: control node and worker in this process, or the control node in its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Transport } from '../../src/client/index.ts';
import type { FunctionWorker } from '../../src/worker/index.ts';
import type { Contestant, ContestantInput } from './contest.ts';

const dist = (file: string): string => new URL(`../../dist/${file}`, import.meta.url).href;
const bin = fileURLToPath(dist('main/bin.js'));
const readyWithinMs = 30_000;

// What is measured is the program as it ships, not what the loader of TypeScript makes of its sources.
const { BlixardClient, socketTransport }: typeof import('../../src/client/index.ts') = await import(
  dist('client/index.js')
);
const { startFunctionWorker }: typeof import('../../src/worker/index.ts') = await import(
  dist('worker/index.js')
);

interface Node {
  transport(): Transport;
  stop(): Promise<void>;
}

export async function open({ dir, concurrency, payload, server }: ContestantInput): Promise<Contestant> {
  const node = server === true ? await ownProcess(dir) : await thisProcess(dir);
  const client = new BlixardClient({ transport: node.transport() });
  const submitOf = (index: number) => ({
    executor: 'function',
    command: ['noop', String(index), JSON.stringify(payload)],
  });
  let worker: FunctionWorker | undefined;
  const stopWorker = async (): Promise<void> => {
    await worker?.stop();
    worker = undefined;
  };
  return {
    enqueue: (index) => client.call('submitJob', { body: submitOf(index) }),
    bulk: (indexes) => client.call('submitJobs', { body: indexes.map(submitOf) }),
    start: async (handle) => {
      worker = await startFunctionWorker({
        transport: node.transport(),
        slots: concurrency,
        functions: { noop: (job) => handle(Number(job.args[0])) },
      });
      return stopWorker;
    },
    stop: async () => {
      await stopWorker();
      await client.close();
      await node.stop();
    },
  };
}

async function thisProcess(dir: string): Promise<Node> {
  const { loadConfig }: typeof import('../../src/main/config.ts') = await import(dist('main/config.js'));
  const { startControlNode }: typeof import('../../src/main/control-node.ts') = await import(
    dist('main/control-node.js')
  );
  const { appTransport }: typeof import('../../src/control/http/app-transport.ts') = await import(
    dist('control/http/app-transport.js')
  );
  const { realClock }: typeof import('../../src/platform/clock.ts') = await import(dist('platform/clock.js'));
  const { makeIds, realRandom }: typeof import('../../src/platform/random.ts') = await import(
    dist('platform/random.js')
  );
  const { silentLog }: typeof import('../../src/platform/log.ts') = await import(dist('platform/log.js'));
  const flags = { 'data-dir': dir, port: '0', 'log-level': 'silent' };
  const { values: config } = await loadConfig({ flags, env: {}, cwd: dir });
  const control = await startControlNode({
    config,
    version: '0',
    env: {},
    clock: realClock,
    random: realRandom,
    ids: makeIds(realClock, realRandom),
    log: silentLog,
  });
  return { transport: () => appTransport(control.app), stop: () => control.stop() };
}

async function ownProcess(dir: string): Promise<Node> {
  const port = await freePort();
  const args = [bin, 'server', '--data-dir', dir, '--port', String(port), '--log-level', 'error'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(url, child);
  return {
    transport: () => socketTransport({ url }),
    stop: async () => {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

async function untilReady(url: string, child: ChildProcess): Promise<void> {
  for (const untilMs = performance.now() + readyWithinMs; performance.now() < untilMs; ) {
    if (child.exitCode !== null) break;
    const isReady = await fetch(`${url}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (isReady) return;
    await sleep(20);
  }
  throw new Error('the control node did not become ready');
}

/** A port nobody listens on now. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
