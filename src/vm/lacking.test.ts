import { describe, expect, it } from 'vitest';
import { Admission, vmmOverheadMiB } from './admission.ts';
import { never } from './fast-scene.suite.ts';

const bounds = { vmsMax: 2, startsMax: 2, memoryMiB: 10_000, vcpusMax: 2, cpusMax: 2 };

describe('jobs that wait for room on their host', () => {
  it('say how many CPUs are free, what they need, and who is before them; and nothing once they are in', async () => {
    const admission = new Admission({ bounds });
    const { processors } = admission;
    const ends: (() => void)[] = [];
    const run = (vcpus: number, purpose?: string) => {
      const exited = new Promise<void>((resolve) => ends.push(resolve));
      const start = async () => ({ started: { vm: { id: `vm-${ends.length}`, exited } } });
      return processors.lend(vcpus, never, start, purpose);
    };
    await run(1, 'a/1');
    expect(admission.lacking()).toEqual([]);
    const waiting = [run(2, 'b/1'), run(1), run(1, 'c/2')];
    expect(admission.lacking()).toEqual([
      { purpose: 'b/1', what: 'cpus', text: '1 of 2 CPUs free and the job needs 2' },
      { purpose: 'c/2', what: 'cpus', text: '1 of 2 CPUs free; 2 jobs wait before it' },
    ]);
    ends[0]?.();
    await waiting[0];
    expect(admission.lacking()).toEqual([
      { purpose: 'c/2', what: 'cpus', text: '0 of 2 CPUs free; 1 job waits before it' },
    ]);
    for (const end of ends) end();
    await Promise.all([waiting[1]?.then(() => ends.at(-2)?.()), waiting[2]]);
    expect(admission.lacking()).toEqual([]);
  });

  it('say which bound of the host the first of them has met', async () => {
    const admission = new Admission({ bounds: { ...bounds, startsMax: 1 } });
    const first = await admission.enter(128, never, 'a/1');
    const second = admission.enter(128, never, 'b/1');
    expect(admission.lacking()).toEqual([
      { purpose: 'b/1', what: 'starts', text: '1 of 1 starts of VMs under way' },
    ]);
    first.started();
    (await second).started();
    const third = admission.enter(128, never, 'c/1');
    void admission.enterIdle(128, never);
    expect(admission.lacking()).toEqual([
      { purpose: 'c/1', what: 'vms', text: '2 of 2 VMs, and one has to end first' },
    ]);
    first.leave();
    (await third).leave();
    expect(admission.lacking()).toEqual([]);
  });

  it('say how much memory is left, and what they need with their VMM', async () => {
    const admission = new Admission({ bounds: { ...bounds, memoryMiB: 1_000 } });
    (await admission.enter(1_000 - vmmOverheadMiB - 200, never)).started();
    const abort = new AbortController();
    const large = admission.enter(128, abort.signal, 'a/1');
    void admission.enter(80, never, 'b/1');
    const left = '200 of 1000 MiB left for VMs and the job needs';
    expect(admission.lacking()).toEqual([
      { purpose: 'a/1', what: 'memory', text: `${left} ${128 + vmmOverheadMiB} MiB with its VMM` },
      {
        purpose: 'b/1',
        what: 'memory',
        text: `${left} ${80 + vmmOverheadMiB} MiB with its VMM; 1 job waits before it`,
      },
    ]);
    abort.abort(new Error('not wanted any more'));
    await expect(large).rejects.toThrow('not wanted any more');
    expect(admission.lacking().map(({ purpose }) => purpose)).toEqual(['b/1']);
  });
});
