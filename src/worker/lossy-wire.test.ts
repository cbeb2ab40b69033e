import { describe, expect, it } from 'vitest';
import { patternOfBytes } from '../executor/fake/fake-executor.ts';
import { seededRandom } from '../platform/random.ts';
import { type Fate, loseAnswer, unreachable, World } from './world.suite.ts';

/** A third of all requests meet some trouble, the same for the same seed and order. */
function trouble(seed: number): Fate {
  const random = seededRandom(seed);
  return async (request, pass) => {
    const chance = random.unit();
    if (chance < 0.1) throw unreachable();
    if (chance < 0.25) return loseAnswer(request, pass);
    if (chance < 0.35) await new Promise((resolve) => setTimeout(resolve, random.unit() * 30));
    return pass();
  };
}

const commands = [
  ['print', 'hello'],
  ['exit', '3'],
  ['bytes', '70000', ';', 'sleep', '5'],
  ['sleep', '20', ';', 'print-error', 'late'],
];

describe('two workers on a wire that loses requests and answers', () => {
  it.each([1, 2, 3, 4])(
    'run every attempt once and report the truth (seed %i)',
    { timeout: 60_000 },
    async (seed) => {
      const world = await World.open();
      const workers = [await world.startWorker({ slots: 2 }), await world.startWorker({ slots: 3 })];
      for (const [n, { wire }] of workers.entries()) wire.fate = trouble(seed * 100 + n);
      const submitted = await Promise.all(
        Array.from({ length: 24 }, (_, n) => world.submit(commands[n % commands.length] ?? [])),
      );
      const cancelled = await world.submit(['sleep', '600000']);
      setTimeout(() => {
        void world.client.call('cancelJob', { params: { id: cancelled.id }, body: {} });
      }, 100);

      const jobs = await Promise.all(submitted.map(({ id }) => world.ended(id)));
      expect((await world.ended(cancelled.id)).state).toBe('cancelled');
      for (const [n, job] of jobs.entries()) {
        expect(job.exitCode).toBe(n % commands.length === 1 ? 3 : 0);
        if (n % commands.length !== 2) continue;
        expect((await world.output(job.id)).equals(patternOfBytes(70_000))).toBe(true);
      }
      const begun = workers.flatMap(({ executor }) => executor.begun);
      expect(new Set(begun).size).toBe(begun.length);
      for (const { id, attempt } of jobs) expect(begun).toContain(`${id}/${attempt}`);
      await Promise.all(
        workers.map(({ wire, worker }) => {
          wire.fate = (_request, pass) => pass();
          return worker.drain(5_000);
        }),
      );
      expect(await world.close()).toEqual([]);
    },
  );
});
