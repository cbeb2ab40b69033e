/** For tests of what jobs tell: a control node, a worker played by hand, and what both say. */
import { createHash } from 'node:crypto';
import { BlixardClient } from '../../client/client.ts';
import { httpTransport } from '../../client/http-transport.ts';
import type { ClaimedJob } from '../../contract/worker.ts';
import { startTestSystem, type TestSystem, TestWorker } from './test-system.suite.ts';

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export class TellScene {
  readonly system: TestSystem;
  readonly client: BlixardClient;
  readonly worker: TestWorker;

  private constructor(system: TestSystem) {
    this.system = system;
    this.client = new BlixardClient({ transport: httpTransport({ url: system.url }) });
    this.worker = new TestWorker(this.client, system.ids);
  }

  static async open(): Promise<TellScene> {
    const scene = new TellScene(await startTestSystem());
    await scene.worker.register();
    return scene;
  }

  /** A job whose first attempt runs. */
  async started(): Promise<ClaimedJob> {
    await this.client.call('submitJob', { body: { command: ['x'] } });
    return await this.worker.start();
  }

  tell(job: ClaimedJob, percent: number | null, message: string, of = this.worker) {
    return this.client.call('tellProgress', { ...place(job), body: { ...holder(of), percent, message } });
  }

  putResult(job: ClaimedJob, text: string | Uint8Array) {
    return this.client.call('putResult', {
      ...place(job),
      query: holder(this.worker),
      body: Buffer.from(text),
    });
  }

  /** Sends a part, the last one when `whole` is given; gives where the artifact ends then. */
  async part(job: ClaimedJob, name: string, offset: number, bytes: Uint8Array, whole?: Uint8Array) {
    const sha = whole === undefined ? {} : { sha256: sha256(whole) };
    const query = { ...holder(this.worker), name, offset, ...sha };
    return (await this.client.call('putArtifact', { ...place(job), query, body: bytes })).endOffset;
  }

  list(id: string) {
    return this.client.call('listArtifacts', { params: { id } });
  }

  get(id: string) {
    return this.client.call('getJob', { params: { id } });
  }

  async download(id: string, name: string, options = {}): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.client.downloadArtifact(id, name, options)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  /** What curl would see. */
  ask(id: string, name: string, headers: Record<string, string> = {}, method = 'GET') {
    const path = `/v1/jobs/${id}/artifacts/${encodeURIComponent(name)}`;
    return fetch(`${this.system.url}${path}`, { headers, method });
  }

  async countProgressEvents(): Promise<number> {
    let count = 0;
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const query = { kind: 'job.progress', limit: 500, ...(cursor ? { cursor } : {}) };
      const page = await this.client.listEvents(query);
      count += page.events.length;
      cursor = page.nextCursor;
    }
    return count;
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.system.close();
  }
}

function holder(of: TestWorker) {
  return { workerId: of.id, generation: of.generation };
}

function place({ jobId: id, attempt }: ClaimedJob) {
  return { params: { id, attempt } };
}
