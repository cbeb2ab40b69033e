import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { zygotesLabel } from '../image/manifest.ts';
import { FastScene, never, noPool, order, outputOf, pool, waitUntil } from './fast-scene.suite.ts';
import type { VmService } from './vm-service.ts';
import { digestOfZygotes, zygotesOf } from './zygotes.ts';

let scene: FastScene;
beforeEach(async () => {
  scene = await FastScene.make();
});
afterEach(() => scene.clean());

function nameZygotes(names: string): void {
  scene.host.image = { ...scene.host.image, labels: { [zygotesLabel]: names } };
}

/** Of a guest that has its identity. */
const nameOf = (vmId: string): string => `blixard-${vmId.slice(-12)}`;

/** How a VM is started, and whether a zygote took its command. */
async function factsOf(vms: VmService, argv: readonly string[], mayBeByZygote?: boolean) {
  const vm = await vms.start(order, never);
  const before = vm.facts.zygote;
  const io = { stdin: Buffer.alloc(0), output: async () => undefined };
  await vm.exec({ argv, env: [], cwd: '/', uid: 0 }, io, mayBeByZygote).exited;
  const { start, zygote } = vm.facts;
  await vms.kill(vm.id);
  return { start, before, zygote };
}

const python = ['python3', '-c', ''];

describe('the zygotes of an image', () => {
  it('take commands in VMs of its template, restored or from the pool, and the facts tell', async () => {
    nameZygotes('python3');
    const vms = await scene.open(pool());
    expect(await factsOf(vms, python)).toEqual({ start: 'boot', zygote: false });
    await vms.warm(order);
    await waitUntil(async () => (await factsOf(vms, python)).start === 'pool');
    await waitUntil(() => vms.pooled().idle > 0);
    expect(await factsOf(vms, python)).toEqual({ start: 'pool', zygote: true });
    await waitUntil(() => vms.pooled().idle > 0);
    expect(await factsOf(vms, python, false)).toEqual({ start: 'pool', zygote: false });
    await waitUntil(() => vms.pooled().idle > 0);
    expect(await factsOf(vms, ['true'])).toEqual({ start: 'pool', zygote: false });
  });

  it('are rehearsed in a template and in each VM of its pool, not in one that is restored for a job', async () => {
    nameZygotes('python3');
    const rehearsed = async (vms: VmService) => {
      const vm = await vms.start(order, never);
      const where = await outputOf(vm, 'recall', 'rehearsed');
      await vms.kill(vm.id);
      return { start: vm.facts.start, by: where === nameOf(vm.id) ? 'itself' : where };
    };
    const vms = await scene.open(pool());
    expect(await rehearsed(vms)).toEqual({ start: 'boot', by: 'nothing' });
    await waitUntil(() => vms.pooled().idle > 0);
    expect(await rehearsed(vms)).toEqual({ start: 'pool', by: 'itself' });
    await vms.close();
    const later = await scene.open(noPool);
    const { start, by } = await rehearsed(later);
    expect({ start, by }).toEqual({ start: 'restore', by: expect.stringMatching(/^blixard-/) });
  });

  it('that do not start leave its template without', async () => {
    nameZygotes('node');
    const vms = await scene.open(noPool);
    await vms.warm(order);
    expect(await factsOf(vms, ['node', '-e', ''])).toEqual({ start: 'restore', zygote: false });
  });

  it('are not told of an image that names none, or only such as this version does not know', async () => {
    const vms = await scene.open(noPool);
    expect(await factsOf(vms, python)).toEqual({ start: 'boot' });
    expect(zygotesOf({ [zygotesLabel]: 'ruby constructor' })).toEqual([]);
  });

  it('are part of what a template is keyed by', async () => {
    const vms = await scene.open(noPool);
    await vms.warm(order);
    nameZygotes('python3');
    await vms.close();
    await (await scene.open(noPool)).warm(order);
    expect(await scene.templates()).toHaveLength(2);
    const [zygote] = zygotesOf({ [zygotesLabel]: 'python3' });
    if (zygote === undefined) throw new Error('there is no zygote of python3');
    const changed = { ...zygote, bytes: Buffer.concat([zygote.bytes, Buffer.from('#')]) };
    expect(digestOfZygotes([changed])).not.toBe(digestOfZygotes([zygote]));
  });
});
