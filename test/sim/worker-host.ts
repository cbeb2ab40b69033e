/** A host with a worker: the real worker code over an executor without VMs; it crashes, stops and comes back. */
import { BlixardClient } from '../../src/client/client.ts';
import { isBlixardError } from '../../src/domain/errors.ts';
import type { Execution, Executor, Outcome } from '../../src/executor/executor.ts';
import { FakeExecutor } from '../../src/executor/fake/fake-executor.ts';
import { outcome } from '../../src/executor/outcome.ts';
import { ExecutorRegistry } from '../../src/executor/registry.ts';
import { silentLog } from '../../src/platform/log.ts';
import { makeIds } from '../../src/platform/random.ts';
import { VmService } from '../../src/vm/vm-service.ts';
import { Worker } from '../../src/worker/worker.ts';
import { executionWith } from '../lib/execution-with.ts';
import type { Chance } from './chance.ts';
import type { Network } from './network.ts';
import type { Profile } from './profile.ts';
import { SimProcess, type SimTime } from './time.ts';

/** What all hosts share: the truth about what ran, to hold the store against. */
export class Truth {
  /** Attempts whose command was begun, in order. */
  readonly begun: string[] = [];
  /** How commands ended, by attempt. */
  readonly outcomes = new Map<string, Outcome>();
  /** What commands wrote, by attempt. */
  readonly output = new Map<string, number>();
  /** Attempts whose worker was told to end at once: the rest of their output is of no more use. */
  readonly cut = new Set<string>();
}

interface HostDeps {
  readonly name: string;
  readonly time: SimTime;
  readonly chance: Chance;
  readonly network: Network;
  readonly profile: () => Profile;
  readonly truth: Truth;
  readonly queues: readonly string[];
  readonly slots: number;
  readonly onBug: (error: unknown) => void;
}

/** One life of a worker. */
interface Life {
  readonly process: SimProcess;
  readonly worker: Worker;
  readonly executor: FakeExecutor;
}

/** Keeps its identity over all lives. */
export class WorkerHost {
  readonly name: string;
  readonly id: string;
  readonly #deps: HostDeps;
  #life: Life | undefined;
  #lives = 0;

  constructor(deps: HostDeps) {
    this.name = deps.name;
    this.#deps = deps;
    const { time, chance } = deps;
    this.id = makeIds(time.clockOf(new SimProcess('id')), chance.random)();
  }

  get life(): Life | undefined {
    return this.#life;
  }

  /** Begins a life, unless one is there. */
  start(): void {
    if (this.#life !== undefined) return;
    const { time, chance, network, queues, slots } = this.#deps;
    const process = new SimProcess(`${this.name}.${++this.#lives}`);
    const clock = time.clockOf(process);
    const executor = new FakeExecutor({ clock, name: 'microvm', stopGraceMs: 2_000 });
    const worker = new Worker({
      clock,
      random: chance.random,
      log: silentLog,
      ids: makeIds(clock, chance.random),
      client: new BlixardClient({ transport: network.wireOf(process), clock, random: chance.random }),
      executors: new ExecutorRegistry([this.#watched(executor, process)]),
      images: { list: async () => [{ name: 'base', tag: 'latest', digest: 'sha256:1' }] },
      vms: VmService.unavailable('fakes need none'),
      identity: { id: this.id, release: () => Promise.resolve() },
      config: { name: this.name, version: '0', slots, queues },
    });
    this.#life = { process, worker, executor };
    void worker.stopped.then(() => {
      if (this.#life?.worker === worker) this.#life = undefined;
    });
    worker.start().catch((error: unknown) => {
      if (process.alive && !isBlixardError(error, 'WORKER_STOPPED')) this.#deps.onBug(error);
    });
  }

  /** As SIGKILL of the worker does: its VMs die with it. */
  crash(): void {
    if (this.#life === undefined) return;
    this.#life.process.alive = false;
    this.#life = undefined;
  }

  /** As SIGTERM does; resolves when it has gone. */
  async drain(graceMs: number): Promise<void> {
    await this.#life?.worker.drain(graceMs);
  }

  #watched(inner: FakeExecutor, process: SimProcess): Executor {
    const { truth, chance, profile } = this.#deps;
    return {
      name: inner.name,
      isLight: inner.isLight,
      unavailable: () => inner.unavailable(),
      run: async (execution) => {
        const key = `${execution.jobId}/${execution.attempt}`;
        const ended = chance.of(profile().bootFails)
          ? outcome('vm_boot_failed', { message: 'simulated' })
          : await inner.run(watchedExecution(execution, key, truth));
        // The outcome of a killed worker is known to nobody.
        if (process.alive) truth.outcomes.set(key, ended);
        return ended;
      },
    };
  }
}

function watchedExecution(execution: Execution, key: string, truth: Truth): Execution {
  execution.kill.addEventListener('abort', () => truth.cut.add(key), { once: true });
  return executionWith(execution, {
    started: async () => {
      await execution.started();
      truth.begun.push(key);
    },
    output: async (stream, data) => {
      truth.output.set(key, (truth.output.get(key) ?? 0) + data.length);
      await execution.output(stream, data);
    },
  });
}
