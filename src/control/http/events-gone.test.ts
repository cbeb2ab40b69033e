import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { BlixardClient } from '../../client/index.ts';
import { limits } from '../../domain/limits.ts';
import { eventsBetween } from '../../store/statements/events.ts';
import { forgetEvents } from '../../store/statements/forget.ts';
import { appTransport } from './app-transport.ts';
import { startTestSystem, type TestSystem } from './test-system.suite.ts';

let system: TestSystem;
let client: BlixardClient;
beforeEach(async () => {
  system = await startTestSystem();
  client = new BlixardClient({ transport: appTransport(system.app) });
});
afterEach(async () => {
  await client.close();
  await system.close();
});

const noise = (count: number) => {
  const rows = JSON.stringify(Array.from({ length: count }, () => 0));
  const sql = `INSERT INTO events (at_ms, kind, data) SELECT 1, 'test.noise', '{}' FROM json_each(?)`;
  return system.db.batch([{ sql, args: [rows] }]);
};

/** The first two stretches it looks at are forgotten after the first. */
const pageBelowWhichTheyAreForgotten = async () => {
  const real = system.db.query.bind(system.db);
  const { sql } = eventsBetween.with({ after: 0, until: 0, kindFrom: '', kindTo: '', queue: null });
  let looks = 0;
  const query = vi.spyOn(system.db, 'query').mockImplementation(async (statement, options) => {
    if (statement.sql === sql && ++looks === 2)
      await system.db.batch([forgetEvents.with({ before: 2 * limits.eventPage })]);
    return await real(statement, options);
  });
  const page = await client.listEvents({ kind: 'job.' });
  query.mockRestore();
  expect(looks).toBeGreaterThan(1);
  return page;
};

it('events that are forgotten below the search of a page from the oldest on are not told to it', async () => {
  await noise(3 * limits.eventPage);
  await client.call('submitJob', { body: { command: ['true'] } });
  const page = await pageBelowWhichTheyAreForgotten();
  expect(page.events.map(({ seq }) => seq)).toEqual([3 * limits.eventPage + 1]);
});

it('a page from the oldest on that has found some ends before those forgotten, and who goes on is told', async () => {
  await client.call('submitJob', { body: { command: ['true'] } });
  await noise(3 * limits.eventPage);
  const page = await pageBelowWhichTheyAreForgotten();
  expect(page.events.map(({ seq }) => seq)).toEqual([1]);
  await expect(client.listEvents({ cursor: page.nextCursor ?? '' })).rejects.toMatchObject({
    code: 'EVENTS_GONE',
    details: { after: limits.eventPage, oldest: 2 * limits.eventPage },
  });
});
