import { describe, expect, it } from 'vitest';
import { BlixardClient } from '../client/client.ts';
import type { Transport } from '../client/transport.ts';
import type { AttemptDone, WorkReply, WorkRequest } from '../contract/worker.ts';
import { FakeClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { makeIds, seededRandom } from '../platform/random.ts';
import { doneOf } from './attempt-run.ts';
import { WorkLoop } from './work-loop.ts';

const done = (n: number): AttemptDone => doneOf({ jobId: `job-${n}`, attempt: 1 }, 'exit');
const claimed = (n: number) => ({ jobId: `job-${n}`, attempt: 1, spec: {} });

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A loop whose calls wait until the test answers them; `want` is what is free, as its attempts would say. */
function scene(joinsEnds: boolean) {
  const clock = new FakeClock();
  const random = seededRandom(1);
  const calls: (Pick<WorkRequest, 'done' | 'want'> & { answer: (jobs: number[]) => Promise<void> })[] = [];
  const transport: Transport = {
    url: 'test',
    send: () => Promise.reject(new Error('a call is not sent over HTTP')),
    call: ({ body }) =>
      new Promise((resolve) => {
        const { done: ends, want } = body as WorkRequest;
        const answer = async (jobs: number[]): Promise<void> => {
          const rest = { cancel: [], fenced: [], unstarted: [], state: 'online', leaseUntilMs: 0 };
          resolve({ status: 200, body: { claimed: jobs.map(claimed), ...rest } });
          await turn();
        };
        calls.push({ done: ends, want, answer });
      }),
    close: async () => undefined,
  };
  const state = { free: 2 };
  const loop = new WorkLoop({
    clock,
    random,
    log: silentLog,
    client: new BlixardClient({ transport }),
    ids: makeIds(clock, random),
    holder: { workerId: 'w', generation: 1 },
    waitMs: 5_000,
    want: () => state.free,
    share: () => 1_000,
    news: { now: () => ({}) },
    joinsEnds,
    onReply: (reply: WorkReply) => {
      state.free -= reply.claimed.length;
    },
    onRefused: (error) => {
      throw error;
    },
  });
  const end = async (n: number): Promise<void> => {
    state.free++;
    loop.report(done(n));
    await turn();
  };
  return { clock, calls, state, loop, end };
}

/** What the calls told and asked for. */
const said = ({ calls }: ReturnType<typeof scene>) =>
  calls.map(({ done: ends, want }) => [ends.length, want]);

/** Two jobs run, a call with nothing to ask for waits, and both end before the server has answered again. */
async function bothEnd(joinsEnds: boolean) {
  const made = scene(joinsEnds);
  made.loop.pump();
  await turn();
  await made.calls[0]?.answer([1, 2]);
  await made.end(1);
  await made.calls[1]?.answer([]);
  await made.end(2);
  expect(said(made).slice(0, 3)).toEqual([
    [0, 2],
    [0, 0],
    [1, 1],
  ]);
  return made;
}

describe('ends of heavy jobs that come close together', () => {
  it('ask for one job each, and for no more than that', async () => {
    const made = await bothEnd(false);
    expect(said(made)[3]).toEqual([1, 1]);
    await made.calls[2]?.answer([3]);
    expect(made.calls).toHaveLength(4);
    await made.calls[3]?.answer([4]);
    expect([made.state.free, said(made).slice(4)]).toEqual([0, [[0, 0]]]);
    made.loop.stop();
  });

  it('ask for all that is free once the first has found nothing', async () => {
    const made = await bothEnd(false);
    await made.calls[2]?.answer([]);
    expect(said(made).slice(4)).toEqual([[0, 2]]);
    made.loop.stop();
  });

  it('ask for all that is free at once while the first only waits', async () => {
    const made = scene(false);
    made.loop.pump();
    await turn();
    await made.calls[0]?.answer([1, 2]);
    await made.end(1);
    await made.calls[1]?.answer([]);
    made.clock.advance(1_000);
    await made.end(2);
    expect(said(made).slice(2)).toEqual([
      [1, 1],
      [1, 2],
    ]);
    made.loop.stop();
  });
});

it('ends of light jobs ask for all that is free, of which what is too much waits for a slot', async () => {
  const made = await bothEnd(true);
  expect(said(made)[3]).toEqual([1, 2]);
  made.loop.stop();
});
