import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Database } from '../../store/database.ts';
import { endOf, openControl, settle, TestWorker, trueJob } from '../control.suite.ts';
import { JobQueries } from '../job-queries.ts';
import { followLogs } from './follow.ts';
import { LogStore } from './log-store.ts';

it('a job that ends while a slow store still tells how it was leaves no follower waiting', async () => {
  const control = await openControl();
  const dir = await mkdtemp(join(tmpdir(), 'blixard-follow-'));
  const logs = new LogStore({ dir, keepBytes: 1024 * 1024 });
  const gone = new AbortController();
  const worker = await TestWorker.join(control);
  const { id } = await control.jobs.submit(trueJob);
  const running = await worker.run();

  let answerNow: () => void = () => undefined;
  const answered = new Promise<void>((resolve) => {
    answerNow = resolve;
  });
  const slow: Database = {
    batch: (statements) => control.db.batch(statements),
    query: async (statement) => {
      const rows = await control.db.query(statement);
      await answered;
      return rows;
    },
    close: () => Promise.resolve(),
  };
  const { clock, signals } = control;
  const queries = new JobQueries({ db: slow, clock, signals });
  const events: string[] = [];
  const following = (async () => {
    const from = { attempt: 1, offset: 0 };
    for await (const event of followLogs({ queries, signals, logs, clock }, id, from, gone.signal))
      events.push(event);
  })();
  await settle();
  await worker.work({ want: 0, done: [endOf(running)] });
  answerNow();
  // It reads files on its way, which takes as long as it takes; without the answer it would never come to an end.
  for (let n = 0; n < 1_000 && !events.at(-1)?.startsWith('event: end'); n++) await setTimeout(5);
  gone.abort();
  await following;
  expect(events.at(-1)).toMatch(/^event: end\n/);
  await logs.close();
  await control.close();
  await rm(dir, { recursive: true });
});
