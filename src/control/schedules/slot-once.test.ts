import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlixardError } from '../../domain/errors.ts';
import type { Database } from '../../store/database.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { type Control, openControl, settle } from '../control.suite.ts';
import { anotherNode, everyMinute, firedSlots, pass } from './schedules.suite.ts';

const minute = 60_000;

let control: Control;
beforeEach(async () => {
  control = await openControl();
});
afterEach(async () => {
  expect(await checkInvariants(control.db)).toEqual([]);
  await control.close();
});

describe('each slot fires once', () => {
  it('with several control nodes', async () => {
    const nodes = [1, 2, 3].map((seed) => anotherNode(control, { seed }).runner);
    await control.schedules.set('tick', everyMinute);
    for (const node of nodes) node.start();
    await settle();
    await pass(control, 20 * minute);
    expect((await firedSlots(control)).length).toBe(20);
    expect(await control.schedules.get('tick')).toMatchObject({ fired: 20, skipped: 0, failed: 0 });
    for (const node of nodes) await node.stop();
  });

  it('wherever a node is cut off', async () => {
    const script = fc.array(fc.integer({ min: 0, max: 14 }), { minLength: 3, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(script, async (lives) => {
        const own = await openControl();
        await own.schedules.set('tick', { ...everyMinute, catchUp: 'all', catchUpMax: 100 });
        for (const calls of lives) {
          const { runner } = anotherNode(own, { db: diesAfter(own.db, calls) });
          runner.start();
          await settle();
          await pass(own, minute);
          await runner.stop();
        }
        own.scheduleRunner.start();
        await settle();
        await settle();
        const slots = await firedSlots(own);
        expect(slots.length).toBe(lives.length);
        expect(new Set(slots).size).toBe(slots.length);
        expect(await own.schedules.get('tick')).toMatchObject({ fired: lives.length, skipped: 0, failed: 0 });
        expect(await checkInvariants(own.db)).toEqual([]);
        await own.close();
      }),
      { numRuns: 25 },
    );
  });

  it('and all others are told, whatever users do in between', async () => {
    const acts = ['pass', 'pass', 'pass', 'pause', 'resume', 'trigger', 'change', 'restart'] as const;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...acts), { maxLength: 25 }), async (script) => {
        const own = await openControl();
        const nodes = [own.scheduleRunner, anotherNode(own).runner];
        for (const node of nodes) node.start();
        await own.schedules.set('tick', everyMinute);
        let [active, fired] = [true, 0];
        for (const [step, act] of script.entries()) {
          if (act === 'pass') {
            await pass(own, minute);
            fired += active ? 1 : 0;
          } else if (act === 'trigger') {
            await own.schedules.trigger('tick');
            fired++;
          } else if (act === 'change') {
            await own.schedules.set('tick', {
              ...everyMinute,
              cron: step % 2 === 0 ? '* * * * *' : '*/1 * * * *',
            });
          } else if (act === 'restart') {
            for (const node of nodes) await node.stop();
            for (const node of nodes) node.start();
            await settle();
          } else {
            await own.schedules[act]('tick');
            active = act === 'resume';
          }
        }
        expect(await own.schedules.get('tick')).toMatchObject({
          fired,
          skipped: 0,
          failed: 0,
          paused: !active,
        });
        expect((await firedSlots(own)).length).toBe(fired);
        expect(await checkInvariants(own.db)).toEqual([]);
        for (const node of nodes) await node.stop();
        await own.close();
      }),
      { numRuns: 30 },
    );
  });

  it('after the store was away', async () => {
    const { runner } = anotherNode(control, { db: diesAfter(control.db, 4, 3) });
    await control.schedules.set('tick', { ...everyMinute, catchUp: 'all' });
    runner.start();
    await settle();
    await pass(control, 10 * minute);
    expect((await firedSlots(control)).length).toBe(10);
    await runner.stop();
  });
});

/** Answers a number of calls, then fails the next `failures` (all, if not told); the last write is made unheard. */
function diesAfter(db: Database, calls: number, failures = Number.POSITIVE_INFINITY): Database {
  let seen = 0;
  const away = (): boolean => ++seen > calls && seen <= calls + failures;
  const gone = (): BlixardError => new BlixardError('STORE_UNAVAILABLE', { problem: 'away' });
  return {
    batch: async (statements) => {
      const dead = away();
      if (dead && seen > calls + 1) throw gone();
      const results = await db.batch(statements);
      if (dead) throw gone();
      return results;
    },
    query: async (statement, options) => {
      if (away()) throw gone();
      return await db.query(statement, options);
    },
    close: () => Promise.resolve(),
  };
}
