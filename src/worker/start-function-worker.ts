/** A worker inside an application: its jobs are functions of the application. */
import { hostname } from 'node:os';
import { BlixardClient } from '../client/client.ts';
import { socketTransport } from '../client/socket-transport.ts';
import type { Transport } from '../client/transport.ts';
import { defaults } from '../domain/defaults.ts';
import { limits } from '../domain/limits.ts';
import type { JobFunction } from '../executor/function-executor.ts';
import { realClock } from '../platform/clock.ts';
import { type Log, silentLog } from '../platform/log.ts';
import { makeIds, realRandom } from '../platform/random.ts';
import { FunctionWorkerFactory } from './function-worker-factory.ts';

/** What there is to say of a worker of functions. */
export interface FunctionWorkerOptions {
  /** Of the control node; default http://127.0.0.1:3020. */
  readonly server?: string;
  /** By the first word of the commands that call them. */
  readonly functions: Readonly<Record<string, JobFunction>>;
  /** Functions under way at once; default 10. */
  readonly slots?: number;
  /** Default `default`. */
  readonly queues?: readonly string[];
  /** In lists of workers; default the host name. */
  readonly name?: string;
  /** Most jobs it claims ahead of its slots; default `limits.claimAheadMax`, 0 for none. */
  readonly claimAheadMax?: number;
  /** Default: nothing is logged. */
  readonly log?: Log;
  /** Instead of `server`. It is closed with the worker. */
  readonly transport?: Transport;
}

/** A worker of functions at work. */
export interface FunctionWorker {
  readonly id: string;
  /** Takes no more jobs, waits up to `graceMs` (default 30 s) for those that run, gives back the rest. */
  stop(graceMs?: number): Promise<void>;
  /** Resolves when it has ended, also when the server refuses it. */
  readonly stopped: Promise<void>;
}

const slotsByDefault = 10;

/**
 * Starts a worker of this process's own functions. Resolves when it is registered; waits for a server that is away.
 * Rejects, and has closed its connection, when the server refuses it.
 *
 * @example
 * const worker = await startFunctionWorker({
 *   functions: {
 *     'send-mail': async (job) => {
 *       const { to } = JSON.parse(job.args[0] ?? '{}');
 *       await job.print(`to ${to}\n`);
 *     },
 *   },
 * });
 * // elsewhere: client.call('submitJob', {
 * //   body: { executor: 'function', command: ['send-mail', JSON.stringify({ to: 'ada@example.org' })] } });
 */
export async function startFunctionWorker(options: FunctionWorkerOptions): Promise<FunctionWorker> {
  const url = options.server ?? `http://127.0.0.1:${defaults.port}`;
  const client = new BlixardClient({ transport: options.transport ?? socketTransport({ url }) });
  const factory = new FunctionWorkerFactory({
    client,
    clock: realClock,
    random: realRandom,
    ids: makeIds(realClock, realRandom),
    log: options.log ?? silentLog,
    functions: options.functions,
    onEnd: () => client.close(),
    config: {
      name: options.name ?? hostname(),
      version: process.version,
      slots: options.slots ?? slotsByDefault,
      queues: options.queues ?? [defaults.queue],
      claimAheadMax: options.claimAheadMax ?? limits.claimAheadMax,
    },
  });
  const worker = await factory.create();
  try {
    await worker.start();
  } catch (error) {
    await worker.kill();
    throw error;
  }
  return {
    id: worker.id,
    stop: (graceMs = defaults.drainGraceMs) => worker.drain(graceMs),
    stopped: worker.stopped,
  };
}
