/** A worker of nothing but calls of the SDK: it claims and ends jobs as a test says, and runs none. */
import type { BlixardClient } from '../../src/client/index.ts';
import type { AttemptDone, ClaimedJob } from '../../src/contract/worker.ts';
import { realClock } from '../../src/platform/clock.ts';
import { type Ids, makeIds, realRandom } from '../../src/platform/random.ts';

export class BareWorker {
  readonly id: string;
  readonly #client: BlixardClient;
  readonly #ids: Ids;
  readonly #generation: number;

  private constructor(deps: { id: string; ids: Ids; client: BlixardClient; generation: number }) {
    this.id = deps.id;
    this.#ids = deps.ids;
    this.#client = deps.client;
    this.#generation = deps.generation;
  }

  static async register(
    client: BlixardClient,
    { queues, slots }: { queues: string[]; slots: number },
  ): Promise<BareWorker> {
    const ids = makeIds(realClock, realRandom);
    const id = ids();
    const { generation } = await client.call('registerWorker', {
      body: {
        id,
        name: 'bare',
        version: '0',
        pid: process.pid,
        slots,
        queues,
        executors: [{ name: 'microvm', unavailable: null }],
        images: [],
      },
    });
    return new BareWorker({ id, ids, client, generation });
  }

  /** Reports these as ended well, and claims up to `want` jobs, waiting for the first. */
  async work(done: readonly ClaimedJob[], want: number, waitMs: number): Promise<readonly ClaimedJob[]> {
    const reply = await this.#client.call('work', {
      params: { id: this.id },
      body: {
        generation: this.#generation,
        token: this.#ids(),
        repeat: false,
        done: done.map(endedWell),
        want,
        waitMs,
      },
    });
    if (reply.fenced.length > 0) throw new Error(`not held any more: ${JSON.stringify(reply.fenced)}`);
    return reply.claimed;
  }

  /** Tells that all of these have begun. */
  async start(claimed: readonly ClaimedJob[]): Promise<void> {
    const body = { workerId: this.id, generation: this.#generation };
    await Promise.all(
      claimed.map(({ jobId: id, attempt }) =>
        this.#client.call('startAttempt', { params: { id, attempt }, body }),
      ),
    );
  }

  async leave(): Promise<void> {
    const query = { generation: this.#generation };
    await this.#client.call('removeWorker', { params: { id: this.id }, query });
  }
}

function endedWell({ jobId, attempt }: ClaimedJob): AttemptDone {
  const nothing = { message: null, signal: null, vm: null, usage: null };
  return { jobId, attempt, reason: 'exit', exitCode: 0, ...nothing };
}
