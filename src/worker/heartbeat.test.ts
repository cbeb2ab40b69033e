import { afterEach, beforeEach, expect, it } from 'vitest';
import { BlixardClient } from '../client/client.ts';
import type { Transport } from '../client/transport.ts';
import { BlixardError } from '../domain/errors.ts';
import { FakeClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { Heartbeat } from './heartbeat.ts';

const heartbeatMs = 1_000;
const body = { state: 'online', leaseUntilMs: 1, cancel: [] };

let clock: FakeClock;
let beats: number;
let isServerThere: boolean;
let heartbeat: Heartbeat;

beforeEach(() => {
  clock = new FakeClock();
  beats = 0;
  isServerThere = true;
  const transport: Transport = {
    url: 'nowhere',
    call: () => {
      beats++;
      if (isServerThere) return Promise.resolve({ status: 200, body });
      return Promise.reject(
        new BlixardError('SERVER_UNREACHABLE', { url: 'nowhere', problem: 'it is not there' }),
      );
    },
    send: () => Promise.reject(new Error('not asked for')),
    close: () => Promise.resolve(),
  };
  heartbeat = new Heartbeat({
    client: new BlixardClient({ transport, clock }),
    clock,
    log: silentLog,
    holder: { workerId: 'w', generation: 1 },
    heartbeatMs,
    onReply: () => undefined,
    onRefused: () => undefined,
  });
  heartbeat.renewed();
});

afterEach(() => {
  heartbeat.stop();
  expect(clock.waiting).toBe(0);
});

async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

it('beats one and a half of its times after the last renewal, and then again', async () => {
  await pass(1_499);
  expect(beats).toBe(0);
  await pass(1);
  expect(beats).toBe(1);
  await pass(1_500);
  expect(beats).toBe(2);
});

it('does not beat while other calls renew the lease, with one timer for all of them', async () => {
  for (let call = 0; call < 20; call++) {
    await pass(700);
    heartbeat.renewed();
    expect(clock.waiting).toBe(1);
  }
  expect(beats).toBe(0);
  await pass(1_499);
  expect(beats).toBe(0);
  await pass(1);
  expect(beats).toBe(1);
});

it('that was not answered comes again after one of its times, also when a renewal came meanwhile', async () => {
  isServerThere = false;
  await pass(1_500);
  expect(beats).toBe(1);
  await pass(1_000);
  expect(beats).toBe(2);
  heartbeat.renewed();
  await pass(1_499);
  expect(beats).toBe(2);
  await pass(1);
  expect(beats).toBe(3);
});
