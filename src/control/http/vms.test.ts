import { Check } from 'typebox/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CliScene } from '../../cli/cli-scene.suite.ts';
import { BlixardClient } from '../../client/client.ts';
import type { CallArgs } from '../../client/wire.ts';
import { type JsonRouteName, type ReplyOf, routes } from '../../contract/routes.ts';
import type { TSchema } from '../../contract/typebox.ts';
import type { JobLacking, VmReport } from '../../contract/vm.ts';
import { limits } from '../../domain/limits.ts';
import { appTransport } from './app-transport.ts';
import { startTestSystem, type TestSystem, TestWorker } from './test-system.suite.ts';

let system: TestSystem;
let client: BlixardClient;
let worker: TestWorker;
beforeAll(async () => {
  system = await startTestSystem();
  client = new BlixardClient({ transport: appTransport(system.app) });
  worker = new TestWorker(client, system.ids);
  await worker.register();
});
afterAll(() => system.close());

/** Calls, and checks that the reply is as the contract says, with nothing more. */
async function call<N extends JsonRouteName>(route: N, ...args: CallArgs<N>): Promise<ReplyOf<N>> {
  const reply = await client.call(route, ...args);
  expect(Check(routes[route].reply as TSchema, reply), `${route}: ${JSON.stringify(reply)}`).toBe(true);
  return reply;
}

function report(more: Partial<VmReport> = {}): VmReport {
  return {
    ...{ id: system.ids(), state: 'ready', use: 'pool', image: 'sha256:1', hypervisor: 'qemu', accel: 'tcg' },
    ...{
      memoryMiB: 128,
      vcpus: 1,
      start: 'restore',
      bootMs: 130,
      startedAtMs: 5,
      jobId: null,
      attempt: null,
    },
    ...more,
  } as VmReport;
}

/** A work call that tells of these VMs. */
const tell = (of: TestWorker, vms: VmReport[], generation = of.generation) =>
  client.call('work', {
    params: { id: of.id },
    body: { generation, token: system.ids(), repeat: false, done: [], want: 0, waitMs: 0, vms },
  });

async function blixard(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const scene = new CliScene({ transport: () => appTransport(system.app) });
  const code = await scene.run(...args);
  return { code, stdout: scene.terminal.stdout, stderr: scene.terminal.stderr };
}

describe('the VMs that workers tell of', () => {
  it('add up to no more than a whole number can be', async () => {
    const most = limits.integerMax;
    const usage = {
      ...{ rssKiB: most, rssPeakKiB: most, pssKiB: null, cpuMs: most, readBytes: null, writtenBytes: 1 },
      atMs: 5,
    };
    const large = () => report({ memoryMiB: most, usage });
    await tell(worker, [large(), large()]);
    expect(await call('getVmStats')).toMatchObject({
      ...{ vms: 2, memoryMiB: most },
      usage: { rssKiB: most, pssKiB: 0, cpuMs: most, readBytes: 0, writtenBytes: 2 },
    });
    await tell(worker, []);
  });

  it('are listed, found, counted, and forgotten when they are not told any more', async () => {
    const jobId = system.ids();
    const busy = report({
      state: 'busy',
      use: 'job',
      start: 'boot',
      startReason: 'none yet',
      jobId,
      attempt: 2,
    });
    const waiting = [report(), report()];
    await tell(worker, [...waiting, busy]);
    const { vms, nextCursor } = await call('listVms');
    expect(vms.map(({ id }) => id)).toEqual([busy.id, ...waiting.map(({ id }) => id)].sort());
    expect(nextCursor).toBeNull();
    expect(await call('getVm', { params: { id: busy.id } })).toMatchObject({
      ...busy,
      workerId: worker.id,
      workerName: 'test',
    });
    expect(await call('getVmStats')).toMatchObject({
      vms: 3,
      memoryMiB: 384,
      byUse: { job: 1, pool: 2 },
      byStart: { pool: 0, restore: 2, boot: 1 },
      byState: { busy: 1, ready: 2 },
    });
    const listed = await blixard('vm', 'ls');
    expect(listed.stdout).toMatch(new RegExp(`${busy.id} +busy +${jobId}/2 +boot 130ms`));
    const got = await blixard('vm', 'get', busy.id);
    expect(got.stdout).toMatch(/why +none yet/);
    expect((await blixard('vm', 'stats')).stdout).toMatch(/use +job 1, pool 2/);
    await tell(worker, [busy]);
    expect((await call('listVms')).vms).toHaveLength(1);
    expect(await blixard('vm', 'get', waiting[0]?.id ?? '')).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('vm ls lists them'),
    });
  });

  it('that serve one job after another are told as such', async () => {
    const jobId = system.ids();
    const idle = report({ state: 'idle', use: 'service', start: 'boot', jobsServed: 3 });
    const busy = report({ state: 'busy', use: 'job', start: 'service', jobsServed: 7, jobId, attempt: 1 });
    await tell(worker, [idle, busy]);
    expect((await call('listVms', { query: { use: 'service' } })).vms).toMatchObject([
      { id: idle.id, jobsServed: 3 },
    ]);
    expect(await call('getVmStats')).toMatchObject({
      byUse: { job: 1, pool: 0, service: 1 },
      byStart: { service: 1, boot: 1 },
    });
    const { stdout } = await blixard('vm', 'ls');
    expect(stdout).toMatch(new RegExp(`${idle.id} +idle +service +3 `));
    expect(stdout).toMatch(new RegExp(`${busy.id} +busy +${jobId}/1 +7 +service`));
    const got = await blixard('vm', 'get', idle.id);
    expect(got.stdout).toMatch(/use +waits for the next job of its queue and tenant\nserved +3 jobs/);
  });

  it('come in pages, and by worker and use', async () => {
    const other = new TestWorker(client, system.ids);
    await other.register();
    const jobs = Array.from({ length: 3 }, () => report({ use: 'job', state: 'busy' }));
    await tell(other, [...jobs, report()]);
    const query = { worker: other.id, use: 'job' } as const;
    const first = await call('listVms', { query: { ...query, limit: 2 } });
    expect(first.vms).toHaveLength(2);
    const cursor = first.nextCursor ?? '';
    const second = await call('listVms', { query: { ...query, limit: 2, cursor } });
    expect([...first.vms, ...second.vms].map(({ id }) => id)).toEqual(jobs.map(({ id }) => id).sort());
    expect(second.nextCursor).toBeNull();
    const page = await blixard('vm', 'ls', '--worker', other.id, '--use', 'job', '--limit', '2');
    expect(page.stderr).toContain(`there are more: --cursor ${cursor}`);
    await client.call('removeWorker', { params: { id: other.id }, query: { generation: other.generation } });
    expect((await call('listVms', { query })).vms).toEqual([]);
  });

  it('of a worker that is not known, or of an older generation, are not believed', async () => {
    const stranger = new TestWorker(client, system.ids);
    stranger.generation = 1;
    await expect(tell(stranger, [report()])).rejects.toMatchObject({ code: 'WORKER_NOT_FOUND' });
    const again = new TestWorker(client, system.ids);
    await again.register();
    const old = again.generation;
    await tell(again, [report()]);
    await again.register();
    expect((await call('listVms', { query: { worker: again.id } })).vms).toEqual([]);
    await expect(tell(again, [report()], old)).rejects.toMatchObject({ code: 'FENCED' });
    expect((await call('listVms', { query: { worker: again.id } })).vms).toEqual([]);
  });

  it('tell what they use of their hosts, and what is not started for now', async () => {
    const other = new TestWorker(client, system.ids);
    await other.register();
    const usage = {
      rssKiB: 2_048,
      rssPeakKiB: 4_096,
      pssKiB: null,
      cpuMs: 1_500,
      readBytes: 10,
      writtenBytes: 0,
    };
    const stop = {
      image: 'bad:latest',
      memoryMiB: 128,
      vcpus: 1,
      failures: 3,
      retryInMs: 41_500,
      why: 'no kernel',
    };
    const before = await call('getVmStats');
    const vm = report({ usage: { ...usage, atMs: 7 } });
    await client.call('work', {
      params: { id: other.id },
      body: {
        ...{ generation: other.generation, token: system.ids(), repeat: false, done: [], want: 0, waitMs: 0 },
        ...{ vms: [vm], vmsStopped: [stop] },
      },
    });
    const stats = await call('getVmStats');
    expect(stats.usage.rssKiB - before.usage.rssKiB).toBe(2_048);
    expect(stats.usage.cpuMs - before.usage.cpuMs).toBe(1_500);
    expect(stats.stopped).toEqual([{ ...stop, workerId: other.id, workerName: 'test' }]);
    expect((await blixard('vm', 'ls', '--worker', other.id)).stdout).toMatch(/2\.0 MiB +1\.5s/);
    expect((await blixard('vm', 'get', vm.id)).stdout).toMatch(
      /host memory +2\.0 MiB, highest 4\.0 MiB, without what is shared -/,
    );
    expect((await blixard('vm', 'stats')).stdout).toContain(
      'bad:latest with 128 MiB by test: 3 failed in a row, next try in 42s; no kernel',
    );
    await tell(other, []);
    expect((await call('getVmStats')).stopped).toEqual([]);
  });

  it('are refused when there are too many, or one is not whole', async () => {
    const many = Array.from({ length: limits.vmsToldMax + 1 }, () => report());
    await expect(tell(worker, many)).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
    await expect(tell(worker, [report({ memoryMiB: -1 })])).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
    });
    await expect(call('getVm', { params: { id: 'zz' } })).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
    });
  });
});

describe('what a worker says that a claimed job lacks', () => {
  const tellLacking = (lacking: JobLacking[] | undefined) =>
    client.call('work', {
      params: { id: worker.id },
      body: {
        ...{
          generation: worker.generation,
          token: system.ids(),
          repeat: false,
          done: [],
          want: 0,
          waitMs: 0,
        },
        ...{ vms: [], ...(lacking === undefined ? {} : { lacking }) },
      },
    });
  const lacks = (jobId: string, attempt: number): JobLacking[] => [
    { jobId, attempt, what: 'memory', text: '100 of 900 MiB left for VMs' },
  ];

  it('is told with its job, of this attempt only, and as long as the worker says so', async () => {
    const { id } = await call('submitJob', { body: { command: ['true'] } });
    await worker.work([], 1);
    const waits = async () => (await call('getJob', { params: { id } })).waiting;
    expect(await waits()).toBeNull();
    await tellLacking(lacks(id, 1));
    expect(await waits()).toBe('Its worker test has 100 of 900 MiB left for VMs.');
    await tellLacking(lacks(id, 2));
    expect(await waits()).toBeNull();
    await tellLacking(lacks(id, 1));
    await tellLacking(undefined);
    expect(await waits()).toBeNull();
    await tellLacking(lacks(id, 1));
    const params = { id, attempt: 1 };
    await client.call('startAttempt', {
      params,
      body: { workerId: worker.id, generation: worker.generation },
    });
    expect(await waits()).toBeNull();
    await worker.end({ jobId: id, attempt: 1, spec: (await call('getJob', { params: { id } })).spec }, 0);
  });

  it(`is refused for more than ${limits.lackingTold} jobs`, async () => {
    const many = Array.from({ length: limits.lackingTold + 1 }, () => lacks(system.ids(), 1)).flat();
    await expect(tellLacking(many)).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
  });
});
