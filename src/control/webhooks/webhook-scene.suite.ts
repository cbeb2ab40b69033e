/** A control node on a file with a clock that stands still, and a receiver for its webhook `ci`. */
import { copyFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { BlixardClient, type Job, type PutWebhook } from '../../client/index.ts';
import { FakeClock } from '../../platform/clock.ts';
import { checkInvariants } from '../../store/invariants.suite.ts';
import { appTransport } from '../http/app-transport.ts';
import { startTestSystem, type TestSystem } from '../http/test-system.suite.ts';
import { Receiver } from './receiver.suite.ts';

export const name = 'ci';
export let clock: FakeClock;
export let system: TestSystem;
export let client: BlixardClient;
export let receiver: Receiver;
let dir: string;
let crashes = 0;

/** Makes all of it anew for each test of a file; holds the store to its invariants after each. */
export function useWebhookScene(): void {
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'blixard-webhooks-'));
    clock = new FakeClock();
    crashes = 0;
    receiver = await Receiver.start();
    await open();
  });
  afterEach(async () => {
    const broken = await checkInvariants(system.db);
    await system.close();
    await receiver.close();
    await rm(dir, { recursive: true });
    expect(broken).toEqual([]);
    expect(clock.waiting).toBe(0);
  });
}

async function open(): Promise<void> {
  system = await startTestSystem({ clock, file: storeFile(crashes) });
  client = new BlixardClient({ transport: appTransport(system.app) });
}

/** New components on the store as a kill at this moment would leave it. */
export async function crash(): Promise<void> {
  crashes++;
  for (const suffix of ['', '-wal'])
    copyFileSync(`${storeFile(crashes - 1)}${suffix}`, `${storeFile(crashes)}${suffix}`);
  await system.close();
  await open();
}

function storeFile(number: number): string {
  return join(dir, `store-${number}.db`);
}

/** Another receiver at the place of the one that is gone. */
export async function receiveAgain(port: number): Promise<void> {
  receiver = await Receiver.start(port);
}

export const submit = (queue = 'default'): Promise<Job> =>
  client.call('submitJob', { body: { command: ['true'], queue } });
export const put = (body: Partial<PutWebhook> = {}) =>
  client.call('putWebhook', { params: { name }, body: { url: receiver.url, ...body } });
export const get = () => client.call('getWebhook', { params: { name } });
export const deliveries = async () => (await client.call('listDeliveries', { params: { name } })).deliveries;

/** Resolves once it holds. */
export async function eventually(check: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await check()); tries++) {
    if (tries > 400) expect.fail('it never came true');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function failWith(status: number, headers: Record<string, string> = {}): void {
  receiver.react = (response) => void response.writeHead(status, headers).end('never mind');
}

export function answerWell(): void {
  receiver.react = (response) => void response.writeHead(200).end('thanks');
}
