/** The worker: registers, works until it is drained or killed, and registers anew when the server refused it. */
import type { BlixardClient } from '../client/client.ts';
import type { Registered, RegisterWorker } from '../contract/worker.ts';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { backoffDelayMs } from '../domain/retry.ts';
import type { ExecutorRegistry } from '../executor/registry.ts';
import { sleep } from '../platform/clock.ts';
import type { Ids } from '../platform/random.ts';
import type { VmService } from '../vm/vm-service.ts';
import { Generation } from './generation.ts';
import type { WorkerIdentity } from './identity.ts';
import { type ImageList, ImageTeller } from './image-teller.ts';
import { answerTimeoutMs, type CallerDeps, serverBackoff, untilAnswered } from './until-answered.ts';

/** What an operator says of a worker. */
export interface WorkerConfig {
  /** What people know it by, usually the host name; at most 64 characters. */
  readonly name: string;
  /** Of this program. */
  readonly version: string;
  /** Jobs it runs at once. */
  readonly slots: number;
  /** Queues it takes jobs from. */
  readonly queues: readonly string[];
  /** Most jobs it claims ahead of its slots, where all its executors are light; default `limits.claimAheadMax`. */
  readonly claimAheadMax?: number;
}

/** What a worker is built from. */
export interface WorkerDeps extends CallerDeps {
  readonly client: BlixardClient;
  readonly executors: ExecutorRegistry;
  readonly images: ImageList;
  readonly vms: Pick<VmService, 'told' | 'breakers' | 'lacking'>;
  readonly identity: WorkerIdentity;
  readonly ids: Ids;
  readonly config: WorkerConfig;
  /** Closes what was made for this worker alone; called once, when it has ended. */
  readonly onEnd?: () => Promise<void>;
}

/** A worker of one identity; `start` once, then `drain` or `kill`. */
export class Worker {
  readonly #deps: WorkerDeps;
  readonly #images: ImageTeller;
  readonly #leaving = new AbortController();
  #generation: Generation | undefined;
  #ending: Promise<void> | undefined;
  #resolveStopped: () => void = () => undefined;
  /** Resolves when the worker has ended and holds nothing any more. */
  readonly stopped: Promise<void>;

  constructor(deps: WorkerDeps) {
    this.#deps = deps;
    this.#images = new ImageTeller({ ...deps, workerId: deps.identity.id });
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
  }

  get id(): string {
    return this.#deps.identity.id;
  }

  /**
   * Resolves when registered; waits for a server that is away. Rejects when the server refuses the registration
   * itself, and with WORKER_STOPPED when the worker is drained or killed first.
   */
  async start(): Promise<void> {
    this.#images.start();
    const first = await this.#register();
    this.#serve(first).catch((error: unknown) => {
      this.#deps.log.error({ err: error }, 'the worker did not end in good order');
    });
  }

  /** Leaves in good order, see `Generation.drain`; resolves when it has. Safe to call again. */
  async drain(graceMs: number): Promise<void> {
    await this.#leave((generation) => generation.drain(graceMs));
  }

  /** Ends everything at once, also in the middle of a drain. */
  async kill(): Promise<void> {
    if (this.#ending !== undefined) await this.#generation?.kill();
    await this.#leave((generation) => generation.kill());
  }

  async #leave(end: (generation: Generation) => Promise<void>): Promise<void> {
    this.#ending ??= this.#end(end);
    await this.#ending;
  }

  async #end(end: (generation: Generation) => Promise<void>): Promise<void> {
    this.#leaving.abort(new BlixardError('WORKER_STOPPED'));
    this.#images.stop();
    try {
      if (this.#generation !== undefined) await end(this.#generation);
      await this.#deps.onEnd?.();
    } finally {
      await this.#deps.identity.release();
      this.#resolveStopped();
    }
  }

  /** A worker that was refused, say because it was away longer than its lease, goes on as a new generation. */
  async #serve(first: Generation): Promise<void> {
    let refusals = 0;
    for (let current = first; (await current.ended) === 'refused'; ) {
      refusals = current.wasAnswered ? 1 : refusals + 1;
      const { clock, random } = this.#deps;
      await sleep(clock, backoffDelayMs(serverBackoff, refusals, random.unit()), this.#leaving.signal);
      try {
        current = await this.#register();
      } catch (error) {
        if (this.#leaving.signal.aborted) return;
        this.#deps.log.fatal({ err: error }, 'the server refuses the registration, the worker ends');
        await this.kill();
        return;
      }
    }
  }

  async #register(): Promise<Generation> {
    const { client, config, identity, log } = this.#deps;
    const { signal } = this.#leaving;
    const images = await this.#images.list();
    const body = this.#registration(images);
    const registered: Registered = await untilAnswered(this.#deps, 'registerWorker', signal, () =>
      client.call('registerWorker', { body, signal, timeoutMs: answerTimeoutMs }),
    );
    signal.throwIfAborted();
    this.#images.registered(registered.generation, images);
    log.info({ workerId: identity.id, requeued: registered.requeued.length }, 'registered');
    const generation = new Generation({
      ...this.#deps,
      workerId: identity.id,
      slots: config.slots,
      ...(config.claimAheadMax === undefined ? {} : { claimAheadMax: config.claimAheadMax }),
      registered,
      offered: body.executors,
    });
    this.#generation = generation;
    generation.start();
    return generation;
  }

  #registration(images: RegisterWorker['images']): RegisterWorker {
    const { executors, identity, config } = this.#deps;
    return {
      id: identity.id,
      name: config.name.slice(0, limits.nameLength),
      version: config.version,
      pid: process.pid,
      slots: config.slots,
      queues: [...config.queues],
      executors: executors.offers(),
      images,
      registration: this.#deps.ids(),
    };
  }
}
