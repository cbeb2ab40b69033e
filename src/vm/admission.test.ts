import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../platform/clock.ts';
import { Admission, type Place, vmmOverheadMiB } from './admission.ts';
import { boundsOfThisHost } from './host-bounds.ts';
import type { HostMemory } from './host-memory.ts';

const never = new AbortController().signal;
const bounds = { vmsMax: 2, startsMax: 2, memoryMiB: 10_000, vcpusMax: 2, cpusMax: 2 };

/** Whether a promise has resolved by now. */
async function isIn(place: Promise<Place>): Promise<boolean> {
  return await Promise.race([place.then(() => true), new Promise<boolean>((r) => setImmediate(r, false))]);
}

describe('Admission', () => {
  it('lets the next in line in only when a live VM has gone', async () => {
    const admission = new Admission({ bounds });
    const first = await admission.enter(128, never);
    const second = await admission.enter(128, never);
    first.started();
    second.started();
    const third = admission.enter(128, never);
    expect(await isIn(third)).toBe(false);
    first.leave();
    first.leave();
    expect(await isIn(third)).toBe(true);
    expect(admission.live).toBe(2);
  });

  it('holds starts in flight to their bound, whatever else there is room for', async () => {
    const admission = new Admission({ bounds: { ...bounds, vmsMax: 10, startsMax: 1 } });
    const first = await admission.enter(128, never);
    const second = admission.enter(128, never);
    expect(await isIn(second)).toBe(false);
    first.started();
    expect(await isIn(second)).toBe(true);
  });

  it('refuses at once what can never fit, and makes wait what does not fit now', async () => {
    const admission = new Admission({ bounds: { ...bounds, memoryMiB: 1_000 } });
    await expect(admission.enter(1_000, never)).rejects.toMatchObject({ code: 'VM_TOO_LARGE' });
    const large = await admission.enter(1_000 - vmmOverheadMiB, never);
    const small = admission.enter(80, never);
    expect(await isIn(small)).toBe(false);
    large.leave();
    expect(await isIn(small)).toBe(true);
  });

  it('asks VMs without a job to give way, until there are enough, and again when told to', async () => {
    const admission = new Admission({ bounds });
    const asked: string[] = [];
    let canGive = 0;
    admission.onShortage((shortage) => {
      asked.push('pool');
      for (; canGive > 0 && !shortage.isMet; canGive--) shortage.meet(128 + vmmOverheadMiB);
    });
    admission.onShortage(() => void asked.push('services'));
    const places = [await admission.enter(128, never), await admission.enter(128, never)];
    for (const place of places) place.started();
    expect(admission.lackingTicket).toBeUndefined();
    const ticket = admission.nextTicket;
    const third = admission.enter(128, never);
    expect(asked).toEqual(['pool', 'services']);
    expect(admission.lackingTicket).toBe(ticket);
    expect(admission.nextTicket).toBeGreaterThan(ticket);
    canGive = 1;
    admission.lookAgain();
    expect(asked).toEqual(['pool', 'services', 'pool']);
    places[0]?.leave();
    expect(await isIn(third)).toBe(true);
    expect(admission.lackingTicket).toBeUndefined();
  });

  it('tells of room whenever a place may be free that nobody waits for, and not before', async () => {
    const admission = new Admission({ bounds: { ...bounds, vmsMax: 1 } });
    const first = await admission.enter(128, never);
    first.started();
    let told = 0;
    admission.onRoom(() => void told++);
    const abort = new AbortController();
    const [second, third] = [admission.enter(128, never), admission.enterIdle(128, abort.signal)];
    first.leave();
    (await second).started();
    expect(told).toBe(0);
    abort.abort(new Error('not wanted any more'));
    await expect(third).rejects.toThrow('not wanted any more');
    const before = told;
    (await second).leave();
    expect(told).toBeGreaterThan(before);
    expect(admission.takeToSpare(128)).toBeUndefined();
  });

  it('forgets who stops waiting, and lets those behind in', async () => {
    const admission = new Admission({ bounds: { ...bounds, memoryMiB: 1_000 } });
    const first = await admission.enter(300, never);
    const abort = new AbortController();
    const large = admission.enter(800, abort.signal);
    const small = admission.enter(100, never);
    expect(await isIn(small)).toBe(false);
    abort.abort(new Error('not wanted any more'));
    await expect(large).rejects.toThrow('not wanted any more');
    expect(await isIn(small)).toBe(true);
    first.leave();
    expect(admission.live).toBe(1);
  });

  it('refuses more than a bounded number of waiters', async () => {
    const admission = new Admission({ bounds: { ...bounds, vmsMax: 0 } });
    const aborts = Array.from({ length: 1_000 }, () => new AbortController());
    const line = aborts.map(({ signal }) => admission.enter(80, signal));
    await expect(admission.enter(80, never)).rejects.toMatchObject({ code: 'VM_LIMIT' });
    for (const abort of aborts) abort.abort();
    expect((await Promise.allSettled(line)).every(({ status }) => status === 'rejected')).toBe(true);
  });

  it('never lets in more than the bounds, and everybody in the end', async () => {
    const sizes = fc.array(fc.integer({ min: 80, max: 3_000 }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(sizes, async (memories) => {
        const admission = new Admission({ bounds: { ...bounds, vmsMax: 3, memoryMiB: 4_000 } });
        let usedMiB = 0;
        let starting = 0;
        const run = async (memoryMiB: number): Promise<void> => {
          const place = await admission.enter(memoryMiB, never);
          usedMiB += memoryMiB + vmmOverheadMiB;
          starting++;
          expect(admission.live).toBeLessThanOrEqual(3);
          expect(starting).toBeLessThanOrEqual(2);
          expect(usedMiB).toBeLessThanOrEqual(4_000);
          await Promise.resolve();
          starting--;
          place.started();
          await Promise.resolve();
          usedMiB -= memoryMiB + vmmOverheadMiB;
          place.leave();
        };
        await Promise.all(memories.map(run));
        expect(admission.live).toBe(0);
      }),
    );
  });

  describe('by what the host really has left', () => {
    let clock: FakeClock;
    let memory: HostMemory;
    let admission: Admission;
    beforeEach(() => {
      clock = new FakeClock();
      memory = { availableMiB: 1_200, ownMiB: 0 };
      admission = new Admission({
        bounds: { ...bounds, vmsMax: 10, startsMax: 10 },
        memory: { look: () => memory, clock },
      });
    });

    it('makes wait what others left no room for, and lets it in when they give some back', async () => {
      const first = await admission.enter(500, never);
      const second = admission.enter(500, never);
      expect(await isIn(second)).toBe(false);
      memory = { availableMiB: 3_000, ownMiB: 0 };
      clock.advance(1_000);
      expect(await isIn(second)).toBe(true);
      expect(clock.waiting).toBe(0);
      first.leave();
    });

    it('counts what a VM has already once, not as taken and as promised', async () => {
      await admission.enter(500, never);
      memory = { availableMiB: 1_400, ownMiB: 500 };
      expect(await isIn(admission.enter(500, never))).toBe(true);
    });

    it('tells those that hold VMs ready that room is wanted', async () => {
      const lackingMiB = 2 * (500 + vmmOverheadMiB) - (1_200 - 512);
      const isMet: boolean[] = [];
      admission.onShortage((shortage) => {
        for (const freedMiB of [lackingMiB - 1, 1]) {
          shortage.meet(freedMiB);
          isMet.push(shortage.isMet);
        }
      });
      const idle = await admission.enterIdle(500, never);
      const job = admission.enter(500, never);
      expect(isMet.slice(-2)).toEqual([false, true]);
      idle.leave();
      expect(await isIn(job)).toBe(true);
    });

    it('refuses, with what there is, a job that waited for long, and nobody behind it', async () => {
      const large = admission.enter(3_000, never);
      const small = admission.enter(100, never);
      const refused = expect(large).rejects.toThrow(
        `a VM needs ${3_000 + vmmOverheadMiB} MiB with its VMM, the host has 688 MiB left for it`,
      );
      clock.advance(29_000);
      expect(await isIn(small)).toBe(false);
      clock.advance(1_000);
      await refused;
      expect(await isIn(small)).toBe(true);
      expect(clock.waiting).toBe(0);
    });
  });

  it('refuses at once more processors than the host has', () => {
    const admission = new Admission({ bounds });
    admission.assertCpus(2);
    expect(() => admission.assertCpus(3)).toThrow('a VM of 3 CPUs; the host gives 2');
  });

  it('takes the bounds of a real host from its cores and memory', () => {
    const host = boundsOfThisHost(7);
    expect(host.vmsMax).toBe(7);
    expect(host.startsMax).toBeGreaterThan(0);
    expect(host.memoryMiB).toBeGreaterThan(0);
    expect(host.cpusMax).toBe(Math.max(host.startsMax, 7));
    expect(host.vcpusMax).toBe(host.startsMax);
    expect(boundsOfThisHost(7, 1)).toMatchObject({ vcpusMax: 1, cpusMax: 1 });
    expect(boundsOfThisHost(7, 500)).toMatchObject({ vcpusMax: host.startsMax, cpusMax: 500 });
  });
});
