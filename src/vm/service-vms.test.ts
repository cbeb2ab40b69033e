import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { silentLog } from '../platform/log.ts';
import { Admission } from './admission.ts';
import {
  FastScene,
  never,
  noPool,
  order,
  outputOf,
  pool,
  quickClock,
  waitUntil,
} from './fast-scene.suite.ts';
import { boundsOfThisHost } from './host-bounds.ts';
import type { MicroVm } from './micro-vm.ts';
import type { OpenVmServiceDeps } from './open-vm-service.ts';
import { ServiceFleet } from './service-fleet.ts';
import type { ServiceConfig } from './services.ts';
import type { VmOrder } from './vm-manager.ts';
import type { VmService } from './vm-service.ts';

let scene: FastScene;
beforeEach(async () => {
  scene = await FastScene.make();
});
afterEach(() => scene.clean());

const shared = { ...order, isolation: 'shared', queue: 'builds', tenant: 'ann' } as const;

function services(more: Partial<ServiceConfig> = {}): ServiceConfig {
  const bounds = { min: 0, target: 0, max: 4, coolDownMs: 600_000 };
  return { ...bounds, jobsMax: 100, uptimeMaxMs: 3_600_000, memoryPercentMax: 90, ...more };
}

const open = (more: Partial<ServiceConfig> = {}, deps: Partial<OpenVmServiceDeps> = {}): Promise<VmService> =>
  scene.host.open({ clock: quickClock, vmsMax: 8, services: services(more), ...deps }, { clock: quickClock });

/** One job from its start to its release. */
async function job(vms: VmService, of: VmOrder = shared, argv = ['true'], inOrder = true): Promise<MicroVm> {
  const vm = await vms.start(of, never);
  await outputOf(vm, ...argv);
  void vms.release(vm.id, { inOrder });
  return vm;
}

/** All that were started are gone, or wait for the next job. */
const atRest = (vms: VmService): Promise<void> => waitUntil(() => vms.list().length === 0);

describe('service VMs', () => {
  it('serve the jobs of one queue and tenant one after another, and say so', async () => {
    const vms = await open();
    const first = await job(vms);
    expect(first.facts).toMatchObject({ start: 'boot', jobsServed: 0 });
    expect(first.facts.startReason).toBe('no service VM was idle; templates are off');
    const second = await job(vms);
    expect(second.id).toBe(first.id);
    expect(second.facts).toMatchObject({ start: 'service', jobsServed: 1 });
    expect(second.facts.startReason).toBeUndefined();
    await atRest(vms);
    expect(vms.told()).toMatchObject([{ state: 'idle', purpose: undefined, jobsServed: 2 }]);
    expect(vms.count()).toBe(1);
  });

  it('have nothing of the job before, and other names and random bytes', async () => {
    const vms = await open();
    const ask = async (...argv: string[]): Promise<string> => {
      const vm = await vms.start(shared, never);
      const text = await outputOf(vm, ...argv);
      void vms.release(vm.id, { inOrder: true });
      return text;
    };
    await ask('remember', 'secret', 'x');
    expect(await ask('recall', 'secret')).toBe('nothing');
    await ask('write', '/work/file', 'x');
    expect(await ask('read', '/work/file')).toBe('no such file\n');
    const [one, two] = [await ask('identity'), await ask('identity')].map((text) => text.split('\n'));
    // Machine id and boot id; the host name is that of the VM.
    expect(one?.[2]).not.toBe(two?.[2]);
    expect(one?.[3]).not.toBe(two?.[3]);
    expect(await ask('random', '16')).not.toBe(await ask('random', '16'));
    await atRest(vms);
    expect(vms.told()).toMatchObject([{ jobsServed: 8 }]);
  });

  it.each<[string, VmOrder]>([
    ['another tenant', { ...shared, tenant: 'bob' }],
    ['another queue', { ...shared, queue: 'tests' }],
    ['another size', { ...shared, memoryMiB: 256 }],
    ['another number of CPUs', { ...shared, vcpus: 2 }],
    ['isolation standard', { ...shared, isolation: 'standard' }],
    ['isolation maximum', { ...shared, isolation: 'maximum' }],
    ['no isolation', order],
  ])('never serve a job of %s', async (_, of) => {
    const vms = await open();
    const first = await job(vms);
    await atRest(vms);
    const other = await job(vms, of);
    expect(other.id).not.toBe(first.id);
    expect(other.facts.start).toBe('boot');
    const isShared = of.isolation === 'shared';
    expect(other.facts.jobsServed).toBe(isShared ? 0 : undefined);
    await waitUntil(() => vms.count() === (isShared ? 2 : 1));
  });

  it('are as many as there are jobs at once, up to the bound; one more has a VM of its own', async () => {
    const vms = await open({ max: 2 });
    const three = await Promise.all([1, 2, 3].map(() => vms.start(shared, never)));
    expect(new Set(three.map(({ id }) => id)).size).toBe(3);
    expect(three.filter(({ facts }) => facts.jobsServed === 0)).toHaveLength(2);
    for (const vm of three) {
      await outputOf(vm, 'true');
      await vms.release(vm.id, { inOrder: true });
    }
    await atRest(vms);
    await waitUntil(() => vms.count() === 2);
  });

  it.each([
    ['cannot be reset', ['taint'], true],
    ['has died', ['crash'], true],
    ['was not left in order', ['true'], false],
  ])('are thrown away when one %s', async (_, argv, inOrder) => {
    const vms = await open();
    const vm = await vms.start(shared, never);
    await Promise.allSettled([outputOf(vm, ...argv)]);
    await vms.release(vm.id, { inOrder });
    await waitUntil(() => vms.count() === 0);
    expect(await scene.host.folders()).toEqual([]);
    expect((await job(vms)).facts).toMatchObject({ start: 'boot', jobsServed: 0 });
  });

  it('that do not answer when a job comes are replaced', async () => {
    const vms = await open();
    const first = await job(vms);
    await atRest(vms);
    scene.host.host.find(first.id)?.freeze();
    const second = await job(vms);
    expect(second.id).not.toBe(first.id);
    expect(second.facts.start).toBe('boot');
    await waitUntil(() => scene.host.host.find(first.id) === undefined);
  });

  it('that do not answer a ping while they wait are ended', async () => {
    const vms = await open({ coolDownMs: 8_000 });
    const first = await job(vms);
    await atRest(vms);
    scene.host.host.find(first.id)?.freeze();
    await waitUntil(() => vms.count() === 0);
  });

  it.each<[string, Partial<ServiceConfig>]>([
    ['so many jobs', { jobsMax: 1 }],
    ['so long a time', { uptimeMaxMs: 0 }],
  ])('are ended after %s', async (_, bound) => {
    const vms = await open(bound);
    const first = await job(vms);
    const second = await job(vms);
    expect(second.id).not.toBe(first.id);
    expect(second.facts.start).toBe('boot');
    await waitUntil(() => vms.count() === 0);
  });

  it('are ended when no job came for a while', async () => {
    const vms = await open({ coolDownMs: 400 });
    await job(vms);
    await atRest(vms);
    expect(vms.count()).toBe(1);
    await waitUntil(() => vms.count() === 0);
    expect(await scene.host.folders()).toEqual([]);
  });

  it('are started ahead where a target or a minimum says so, and replaced when they are ended', async () => {
    const vms = await open({ target: 1, jobsMax: 1 });
    await job(vms);
    await atRest(vms);
    await waitUntil(() => vms.told().some(({ state, jobsServed }) => state === 'ready' && jobsServed === 0));
    const second = await job(vms);
    expect(second.facts).toMatchObject({ start: 'service', jobsServed: 0 });
  });

  it('are no more than there were jobs at once and the target, once all are idle', async () => {
    const vms = await open({ target: 1 });
    await job(vms);
    await atRest(vms);
    const two = await Promise.all([vms.start(shared, never), vms.start(shared, never)]);
    await Promise.all(two.map((vm) => outputOf(vm, 'true')));
    for (const vm of two) void vms.release(vm.id, { inOrder: true });
    await atRest(vms);
    await waitUntil(() => vms.count() === 2 && vms.told().length === 2);
  });

  it('give way to a job that needs their room', async () => {
    const vms = await open({}, { vmsMax: 1 });
    await job(vms);
    await atRest(vms);
    const other = await job(vms, order);
    expect(other.facts.start).toBe('boot');
    expect(vms.count()).toBeLessThanOrEqual(1);
  });

  it('are handed over to a job of theirs that waits for room', async () => {
    const vms = await open({}, { vmsMax: 1 });
    const first = await vms.start(shared, never);
    const second = vms.start(shared, never);
    await outputOf(first, 'true');
    await vms.release(first.id, { inOrder: true });
    expect((await second).id).toBe(first.id);
    expect((await second).facts).toMatchObject({ start: 'service', jobsServed: 1 });
  });

  it('are not handed over past a job of others that has waited longer', async () => {
    const vms = await open({}, { vmsMax: 1 });
    const first = await vms.start(shared, never);
    const other = vms.start(order, never);
    const late = vms.start(shared, never);
    await outputOf(first, 'true');
    await vms.release(first.id, { inOrder: true });
    const second = await other;
    expect(second.id).not.toBe(first.id);
    await vms.kill(second.id);
    expect((await late).facts.start).toBe('boot');
  });

  it('a job that stops waiting for one leaves it to others', async () => {
    const vms = await open({}, { vmsMax: 1 });
    const first = await vms.start(shared, never);
    const stop = new AbortController();
    const stopped = vms.start(shared, stop.signal);
    stop.abort(new Error('enough'));
    await expect(stopped).rejects.toThrow('enough');
    await outputOf(first, 'true');
    await vms.release(first.id, { inOrder: true });
    expect((await job(vms)).id).toBe(first.id);
  });

  it('are for so many queues and tenants and no more: a job of one more has a VM of its own', async () => {
    const fleet = new ServiceFleet({
      starter: { startAhead: () => Promise.reject(new Error('not asked for')) },
      admission: new Admission({ bounds: boundsOfThisHost(1) }),
      ...{ clock: quickClock, log: silentLog, bounds: services() },
    });
    const lane = (nth: number) =>
      fleet.lane({ queue: 'q', tenant: `t${nth}` }, { image: scene.host.image, memoryMiB: 128, vcpus: 1 });
    for (let nth = 0; nth < limits.serviceLanesMax; nth++) expect(lane(nth)).toBeDefined();
    expect(lane(limits.serviceLanesMax)).toBeUndefined();
    expect(lane(0)).toBe(lane(0));
    await fleet.close();
  });

  it('are not there where their bound is 0', async () => {
    const vms = await open({ max: 0 });
    const first = await job(vms);
    expect(first.facts).toMatchObject({ start: 'boot', startReason: 'templates are off' });
    expect(first.facts.jobsServed).toBeUndefined();
    await waitUntil(() => vms.count() === 0);
  });

  it('end with the service, whatever they do', async () => {
    const vms = await open();
    const first = await vms.start(shared, never);
    await outputOf(first, 'true');
    void vms.release(first.id, { inOrder: true });
    await vms.start({ ...shared, tenant: 'bob' }, never);
    await vms.close();
    expect(vms.count()).toBe(0);
    expect(scene.host.host.live).toEqual([]);
    expect(await readdir(join(scene.host.dataDir, 'vms'))).toEqual([]);
  });
});

describe('isolation maximum', () => {
  const maximum = (tenant: string): VmOrder => ({ ...order, isolation: 'maximum', tenant });

  it('has templates and a pool of its tenant alone', async () => {
    const vms = await scene.open(pool({ target: 1 }), { services: services() });
    await vms.warm(order);
    await job(vms, maximum('ann'));
    await waitUntil(async () => (await scene.templates()).length === 2);
    await waitUntil(() => vms.pooled().idle === 1);
    // The pool has one of Ann's now, and the template that is everybody's: neither is for Bob.
    const bob = await job(vms, maximum('bob'));
    expect(bob.facts).toMatchObject({ start: 'boot', startReason: 'there is no template of it yet' });
    const ann = await job(vms, maximum('ann'));
    expect(ann.facts.start).toBe('pool');
    const [standard, second] = [await job(vms, order), await job(vms, { ...shared, tenant: 'ann' })];
    for (const { facts } of [standard, second]) expect(facts.start).toBe('restore');
    await waitUntil(async () => (await scene.templates()).length === 3);
  });

  it('is kept without templates, too', async () => {
    const vms = await scene.open(noPool, { services: services() });
    const first = await job(vms, maximum('ann'));
    const second = await job(vms, maximum('ann'));
    expect(second.id).not.toBe(first.id);
    expect(second.facts.jobsServed).toBeUndefined();
  });
});
