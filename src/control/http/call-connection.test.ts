import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import type { AnswerFrame } from '../../contract/calls.ts';
import { defaults } from '../../domain/defaults.ts';
import { limits } from '../../domain/limits.ts';
import { FakeClock, realClock } from '../../platform/clock.ts';
import { CallConnection } from './call-connection.ts';
import type { Calls } from './calls.ts';

/** The server's end of a connection whose client takes what is sent only when told to. */
class SlowSocket extends EventEmitter {
  readonly OPEN = 1;
  readonly readyState = 1;
  bufferedAmount = 0;
  isPaused = false;
  isCut = false;
  pings = 0;
  readonly answered: number[] = [];
  readonly #waiting: { data: Buffer; done: () => void }[] = [];

  send(data: Buffer, _: object, done: () => void): void {
    this.bufferedAmount += data.length;
    this.#waiting.push({ data, done });
  }

  take(): void {
    for (const { data, done } of this.#waiting.splice(0)) {
      this.bufferedAmount -= data.length;
      this.answered.push(...(JSON.parse(String(data)) as AnswerFrame[]).map(({ id }) => id));
      done();
    }
  }

  ping(): void {
    this.pings++;
  }

  terminate(): void {
    this.isCut = true;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const mib = 1024 * 1024;
const body = 'x'.repeat(mib);
const calls = {
  answer: async () => ({ status: 200, body }),
  refusal: () => ({ status: 429, body: '' }),
} as unknown as Calls;

it('has no more text of answers in memory than may wait for its client, and loses none', async () => {
  const socket = new SlowSocket();
  new CallConnection(socket as unknown as WebSocket, { calls, clock: realClock });
  const count = (2 * limits.answerBacklogBytes) / mib;
  const ids = Array.from({ length: count }, (_, id) => id);
  const frames = ids.map((id) => ({ id, route: 'getOpenapi' }));
  socket.emit('message', Buffer.from(JSON.stringify(frames)), false);
  await turn();
  expect(socket.bufferedAmount).toBeGreaterThan(0);
  expect(socket.bufferedAmount).toBeLessThanOrEqual(limits.answerBacklogBytes + 2 * mib);
  expect(socket.isPaused).toBe(true);
  for (let turns = 0; socket.answered.length < count && turns < 10; turns++) {
    socket.take();
    await turn();
    await turn();
    expect(socket.bufferedAmount).toBeLessThanOrEqual(limits.answerBacklogBytes + 2 * mib);
  }
  expect(socket.answered).toEqual(ids);
  expect(socket.isPaused).toBe(false);
  socket.emit('close');
});

it('a client that takes what it is sent is not cut off as silent, one that takes nothing is', async () => {
  for (const takes of [true, false]) {
    const [socket, clock] = [new SlowSocket(), new FakeClock()];
    new CallConnection(socket as unknown as WebSocket, { calls, clock });
    const frames = Array.from({ length: 100 }, (_, id) => ({ id, route: 'getOpenapi' }));
    socket.emit('message', Buffer.from(JSON.stringify(frames)), false);
    for (let pings = 0; pings < 5; pings++) {
      await turn();
      if (takes) socket.take();
      clock.advance(defaults.callsPingMs);
    }
    expect(socket.isCut).toBe(!takes);
    socket.emit('close');
  }
});
