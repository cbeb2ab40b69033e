/**
 * A worker process without VMs: the real worker over HTTP, whose jobs are scripts of the fake executor and leave a
 * trace in the file of effects.
 */
import { BlixardClient, httpTransport } from '../../src/client/index.ts';
import type { Execution, Executor, Outcome } from '../../src/executor/executor.ts';
import { FakeExecutor } from '../../src/executor/fake/fake-executor.ts';
import { ExecutorRegistry } from '../../src/executor/registry.ts';
import { realClock } from '../../src/platform/clock.ts';
import { armFailpoint, failpointEnv } from '../../src/platform/failpoint.ts';
import { makeLog } from '../../src/platform/log.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import { VmService } from '../../src/vm/vm-service.ts';
import { takeIdentity } from '../../src/worker/identity.ts';
import { Worker } from '../../src/worker/worker.ts';
import { tellEffect } from './effects.ts';
import { executionWith } from './execution-with.ts';

const { env } = process;
const need = (name: string): string => {
  const value = env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
};
const effectsFile = need('BLIXARD_TEST_EFFECTS');

/** Tells the file when a command begins, right after the server knows. */
class ToldExecutor implements Executor {
  readonly name = 'microvm';
  readonly isLight = false;
  readonly #fake = new FakeExecutor({ clock: realClock, name: this.name });

  unavailable(): string | null {
    return this.#fake.unavailable();
  }

  async run(execution: Execution): Promise<Outcome> {
    const { jobId, attempt } = execution;
    const started = async (): Promise<void> => {
      await execution.started();
      tellEffect(effectsFile, { jobId, attempt });
    };
    return await this.#fake.run(executionWith(execution, { started }));
  }
}

armFailpoint(env[failpointEnv]);
const ids = makeIds(realClock, realRandom);
const deps = { clock: realClock, random: realRandom, log: makeLog('info', 'json'), ids };
const worker = new Worker({
  ...deps,
  client: new BlixardClient({ transport: httpTransport({ url: need('BLIXARD_SERVER') }) }),
  executors: new ExecutorRegistry([new ToldExecutor()]),
  images: { list: async () => [{ name: 'base', tag: 'latest', digest: 'sha256:test' }] },
  vms: VmService.unavailable('fakes need none'),
  identity: await takeIdentity({ dataDir: need('BLIXARD_DATA_DIR'), ids }),
  config: {
    name: 'script-worker',
    version: '0',
    slots: Number(env['BLIXARD_TEST_SLOTS'] ?? '4'),
    queues: (env['BLIXARD_TEST_QUEUES'] ?? 'default').split(','),
  },
});
process.on('SIGTERM', () => void worker.drain(5_000).then(() => process.exit(0)));
await worker.start();
