import { expect, it } from 'vitest';
import { FakeClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { LateOpening } from './late-opening.ts';
import type { Door } from './vm-service.ts';

/** Of a host whose VMs another process has; the time of each opening, in seconds. */
function lockedHost() {
  const clock = new FakeClock(0);
  const host = { clock, isLocked: true, openedAt: [] as number[] };
  const open = async (): Promise<Door> => {
    host.openedAt.push(clock.nowMs() / 1_000);
    return { unavailable: 'another process has them', isLocked: host.isLocked };
  };
  return { host, late: new LateOpening({ images: {}, open, clock, log: silentLog }) };
}

/** Lets all promises that are settled be told. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function pass(clock: FakeClock, seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    clock.advance(1_000);
    await settle();
  }
}

it('tries again while another process has the VMs, less and less often, and no more once it is closed', async () => {
  const { host, late } = lockedHost();
  await late.open();
  late.begin(() => undefined);
  await pass(host.clock, 200);
  expect(host.openedAt).toEqual([0, 5, 15, 35, 75, 135, 195]);
  await late.close();
  expect(host.clock.waiting).toBe(0);
});

it('does not try again by itself when something else is amiss', async () => {
  const { host, late } = lockedHost();
  host.isLocked = false;
  await late.open();
  late.begin(() => undefined);
  expect(host.clock.waiting).toBe(0);
  await late.close();
});

it('that is closed while an opening is under way tries no more', async () => {
  const { host, late } = lockedHost();
  await late.open();
  late.begin(() => undefined);
  host.clock.advance(5_000);
  await late.close();
  expect(host.openedAt).toEqual([0, 5]);
  expect(host.clock.waiting).toBe(0);
});
