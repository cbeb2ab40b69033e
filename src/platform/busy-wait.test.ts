import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { BusyWait } from './busy-wait.ts';

it('is busy only after a wait that was short, and never for longer than its bound', async () => {
  const wait = new BusyWait(20);
  wait.begin();
  expect(wait.isBusy).toBe(false);
  wait.end();
  wait.begin();
  expect(wait.isBusy).toBe(true);
  await sleep(60);
  expect(wait.isBusy).toBe(false);
  wait.end();
  wait.begin();
  expect(wait.isBusy).toBe(false);
});

it('ends with what it waits for', async () => {
  const wait = new BusyWait(60_000);
  wait.begin();
  wait.end();
  wait.begin();
  wait.end();
  await new Promise((resolve) => setImmediate(resolve));
  expect(wait.isBusy).toBe(false);
});
