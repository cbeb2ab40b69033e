import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { never, pool, waitUntil } from './fast-scene.suite.ts';
import { Processors } from './processors.ts';
import { VmHost } from './vm-host.suite.ts';

let vms = 0;

/** A VM that ends when told to. */
function someVm() {
  let end: () => void = () => undefined;
  const exited = new Promise<void>((resolve) => {
    end = resolve;
  });
  const vm = { id: `vm-${++vms}`, exited };
  return { started: { vm }, id: vm.id, end };
}

const start = async () => someVm();
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Whether a promise has resolved by now. */
async function isIn(lent: Promise<unknown>): Promise<boolean> {
  return await Promise.race([lent.then(() => true), turn().then(() => false)]);
}

describe('Processors', () => {
  it('start no job’s VM before those that have all of them give some back', async () => {
    const processors = new Processors({ max: 3 });
    const large = await processors.lend(2, never, start);
    const small = await processors.lend(1, never, start);
    const second = processors.lend(2, never, start);
    const third = processors.lend(1, never, start);
    small.end();
    // The one behind is small enough, and may not pass.
    expect([await isIn(second), await isIn(third)]).toEqual([false, false]);
    processors.giveBack(large.id);
    processors.giveBack(large.id);
    large.end();
    expect([await isIn(second), await isIn(third)]).toEqual([true, true]);
    expect(processors.used).toBe(3);
  });

  it('have those back whose VM has ended, or was never started', async () => {
    const processors = new Processors({ max: 1 });
    const refused = processors.lend(1, never, () => Promise.reject(new Error('no such VM')));
    const next = processors.lend(1, never, start);
    await expect(refused).rejects.toThrow('no such VM');
    const vm = await next;
    const last = processors.lend(1, never, start);
    expect(await isIn(last)).toBe(false);
    vm.end();
    expect(await isIn(last)).toBe(true);
    (await last).end();
    await turn();
    expect(processors.used).toBe(0);
  });

  it('are lent to the same VM for one job after another', async () => {
    const processors = new Processors({ max: 2 });
    const vm = someVm();
    for (let job = 0; job < 3; job++) {
      await processors.lend(2, never, async () => vm);
      expect(processors.used).toBe(2);
      processors.giveBack(vm.id);
      expect(processors.used).toBe(0);
    }
    vm.end();
    await turn();
    expect(processors.used).toBe(0);
  });

  it('are refused at once where there never are so many', async () => {
    const processors = new Processors({ max: 2 });
    const refused = processors.lend(3, never, start);
    await expect(refused).rejects.toMatchObject({ code: 'VM_TOO_LARGE' });
    expect(processors.used).toBe(0);
  });

  it('forget who stops waiting, and let those behind in', async () => {
    const processors = new Processors({ max: 2 });
    await processors.lend(1, never, start);
    const abort = new AbortController();
    const large = processors.lend(2, abort.signal, start);
    const small = processors.lend(1, never, start);
    expect(await isIn(small)).toBe(false);
    abort.abort(new Error('not wanted any more'));
    await expect(large).rejects.toThrow('not wanted any more');
    expect(await isIn(small)).toBe(true);
    await expect(processors.lend(1, abort.signal, start)).rejects.toThrow('not wanted any more');
    expect(processors.used).toBe(2);
  });

  it('have a bounded number of jobs wait', async () => {
    const processors = new Processors({ max: 1 });
    const first = await processors.lend(1, never, start);
    const aborts = Array.from({ length: limits.vmStartsWaiting }, () => new AbortController());
    const line = aborts.map(({ signal }) => processors.lend(1, signal, start));
    await expect(processors.lend(1, never, start)).rejects.toMatchObject({ code: 'VM_LIMIT' });
    for (const abort of aborts) abort.abort();
    expect((await Promise.allSettled(line)).every(({ status }) => status === 'rejected')).toBe(true);
    first.end();
    await turn();
    expect(processors.used).toBe(0);
  });

  it('are never more than there are, and everybody’s in the end and in order', async () => {
    const ends = fc.constantFrom('gives back', 'ends', 'fails to start', 'stops waiting');
    const jobs = fc.array(fc.record({ vcpus: fc.integer({ min: 1, max: 4 }), ends }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(jobs, async (all) => {
        const processors = new Processors({ max: 4 });
        let used = 0;
        const started: number[] = [];
        const run = async ({ vcpus, ends: how }: (typeof all)[number], nth: number): Promise<void> => {
          const abort = new AbortController();
          if (how === 'stops waiting') setImmediate(() => abort.abort(new Error(how)));
          const lent = await processors.lend(vcpus, abort.signal, async () => {
            used += vcpus;
            started.push(nth);
            expect(used).toBeLessThanOrEqual(4);
            expect(processors.used).toBeGreaterThanOrEqual(used);
            await Promise.resolve();
            if (how === 'fails to start') used -= vcpus;
            if (how === 'fails to start') throw new Error(how);
            return someVm();
          });
          await Promise.resolve();
          used -= vcpus;
          if (how === 'ends') lent.end();
          else processors.giveBack(lent.id);
        };
        const done = await Promise.allSettled(all.map(run));
        for (const [nth, { status }] of done.entries()) {
          if (all[nth]?.ends === 'ends' || all[nth]?.ends === 'gives back') expect(status).toBe('fulfilled');
        }
        await turn();
        expect(processors.used).toBe(0);
        expect(started).toEqual([...started].sort((one, two) => one - two));
      }),
    );
  });
});

describe('jobs of a host', () => {
  const order = { image: 'base', memoryMiB: 128, vcpus: 1 };

  it('have no more processors together than it gives, whatever else there is room for', async () => {
    const host = await VmHost.make();
    try {
      const service = await host.open({ cpusMax: 1, vmsMax: 8 });
      const first = await service.start(order, never);
      const second = service.start(order, never);
      expect(await isIn(second)).toBe(false);
      expect(service.count()).toBe(1);
      expect(service.vmMax()?.vcpus).toBe(1);
      await expect(service.start({ ...order, vcpus: 2 }, never)).rejects.toMatchObject({
        code: 'VM_TOO_LARGE',
      });
      await service.release(first.id, { inOrder: true });
      await service.kill((await second).id);
      const third = await service.start(order, never);
      await service.release(third.id, { inOrder: false });
      await (await service.start(order, never)).kill();
    } finally {
      await host.clean();
    }
  });

  it('wait for no VM of the pool, and take it with nothing but a processor to spare', async () => {
    const host = await VmHost.make();
    try {
      const fastStarts = { templates: 'on' as const, templateBytesMax: 10_000_000, pool: pool({ min: 2 }) };
      const service = await host.open({ cpusMax: 1, vmsMax: 8, fastStarts });
      await waitUntil(() => service.pooled().idle === 2);
      const first = await service.start(order, never);
      expect(first.facts.start).toBe('pool');
      const second = service.start(order, never);
      expect(await isIn(second)).toBe(false);
      await service.release(first.id, { inOrder: true });
      expect((await second).facts.start).toBe('pool');
    } finally {
      await host.clean();
    }
  });
});
