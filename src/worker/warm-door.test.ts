import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { FakeClock, realClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { FastScene, noPool } from '../vm/fast-scene.suite.ts';
import type { VmService } from '../vm/vm-service.ts';
import { SharedWorkerFactory } from './shared-worker-factory.ts';
import { askToWarm } from './warm-call.ts';
import { WarmDoor } from './warm-door.ts';
import { baseDeps, oneImage, World, waitUntil } from './world.suite.ts';

const order = { image: 'base:latest', memoryMiB: 160, vcpus: 1 };
let scene: FastScene;
let doors: WarmDoor[] = [];
beforeEach(async () => {
  scene = await FastScene.make();
});
afterEach(async () => {
  await Promise.all(doors.map((door) => door.close()));
  doors = [];
  await scene.clean();
});

async function openDoor(vms: Pick<VmService, 'warm'>, clock = realClock): Promise<WarmDoor> {
  const door = await WarmDoor.open({ dataDir: scene.host.dataDir, vms, clock, log: silentLog });
  doors.push(door);
  return door;
}

/** As `blixard image warm` asks; also what it was told on the way. */
async function ask(more: Partial<typeof order & { tenant: string }> = {}) {
  const steps: string[] = [];
  const step = (title: string) => void steps.push(title);
  const deps = { dataDir: scene.host.dataDir, clock: realClock, step };
  return { template: await askToWarm(deps, { ...order, ...more }), steps };
}

/** A connection that says `text` and hears all. */
async function say(text: string): Promise<{ socket: Socket; heard: Promise<string> }> {
  const socket = connect({ path: join(scene.host.dataDir, 'warm.sock') });
  await once(socket, 'connect');
  let all = '';
  socket.on('data', (chunk) => {
    all += String(chunk);
  });
  socket.on('error', () => undefined);
  const heard = once(socket, 'close').then(() => all);
  socket.write(text);
  return { socket, heard };
}

it('a command has the worker of its data directory build a template, step by step, of the size it names', async () => {
  const world = await World.open();
  const vms = await scene.open(noPool);
  const shared = { ...baseDeps, client: world.client, images: oneImage, vms, dataDir: scene.host.dataDir };
  const config = { name: 'host', version: '0', slots: 2, queues: ['default'] };
  const worker = await new SharedWorkerFactory({ ...shared, config }).create();
  await worker.start();
  const { template, steps } = await ask();
  expect(await scene.templates()).toEqual([template?.key]);
  expect(steps).toEqual([
    'Asking the worker that runs on this host',
    'Booting a VM of base:latest with 160 MiB and 1 CPU',
    'Rehearsing a job in it',
    'Saving its memory',
  ]);
  const job = await world.submit(['echo', 'hello'], { memoryMiB: 160 });
  expect(await world.ended(job.id)).toMatchObject({ state: 'completed' });
  const { attempts } = await world.client.call('listAttempts', { params: { id: job.id } });
  expect(attempts[0]?.vm).toMatchObject({ start: 'restore' });
  // It is there already.
  expect(await ask()).toEqual({ template, steps: steps.slice(0, 1) });
  expect((await ask({ tenant: 'acme' })).template?.key).not.toBe(template?.key);
  await worker.kill();
  expect((await ask()).template).toBeUndefined();
  expect(await world.close()).toEqual([]);
});

it('the worker says why there is no template', async () => {
  const config = { templates: 'off' as const, templateBytesMax: 1, pool: noPool };
  await openDoor(await scene.host.open({ fastStarts: config }));
  await expect(ask()).rejects.toMatchObject({
    code: 'TEMPLATE_FAILED',
    message: expect.stringContaining('templates are off'),
  });
  await expect(ask({ image: 'absent:latest' })).rejects.toMatchObject({ code: 'IMAGE_MISSING' });
  await expect(ask({ vcpus: limits.vcpusMax })).rejects.toMatchObject({ code: 'VM_TOO_LARGE' });
  await expect(ask({ memoryMiB: limits.memoryMiBMax + 1 })).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringContaining('memoryMiB'),
  });
});

it('what a killed worker has left of its socket is no worker, and no obstacle to the next', async () => {
  expect((await ask()).template).toBeUndefined();
  await writeFile(join(scene.host.dataDir, 'warm.sock'), '');
  expect((await ask()).template).toBeUndefined();
  await openDoor({ warm: async () => ({ key: 'k', bytes: 1 }) });
  expect((await ask()).template).toEqual({ key: 'k', bytes: 1 });
});

it('a command that goes away leaves its template being built; a worker that ends tells the command', async () => {
  let warms = 0;
  const door = await openDoor({ warm: () => new Promise(() => warms++) });
  const { socket, heard } = await say(`${JSON.stringify(order)}\n`);
  await waitUntil(() => warms === 1);
  socket.destroy();
  await heard;
  const refused = expect(ask()).rejects.toMatchObject({
    code: 'TEMPLATE_FAILED',
    message: expect.stringContaining('ended before the template was there'),
  });
  await waitUntil(() => warms === 2);
  await door.close();
  await refused;
});

it('no more may ask at once than the limit says, gone or not', async () => {
  const finish: (() => void)[] = [];
  const warm = () =>
    new Promise<{ key: string; bytes: number }>((resolve) => {
      finish.push(() => resolve({ key: 'k', bytes: 1 }));
    });
  await openDoor({ warm });
  const asked = Array.from({ length: limits.warmsMax }, () => ask());
  await waitUntil(() => finish.length === limits.warmsMax);
  await expect(ask()).rejects.toMatchObject({ code: 'VM_LIMIT' });
  for (const end of finish) end();
  await Promise.all(asked);
  const again = ask();
  await waitUntil(() => finish.length > limits.warmsMax);
  finish.at(-1)?.();
  expect((await again).template?.key).toBe('k');
});

it('an order that is none, too long or never comes is refused', async () => {
  const clock = new FakeClock();
  await openDoor({ warm: async () => ({ key: 'k', bytes: 1 }) }, clock);
  expect(await (await say('{"image": 1}\n')).heard).toMatch(/"code":"USAGE"/);
  expect(await (await say('nonsense\n')).heard).toMatch(/"code":"USAGE"/);
  expect(await (await say('x'.repeat(limits.warmOrderBytes + 1))).heard).toBe('');
  const silent = await say('');
  await new Promise((resolve) => setTimeout(resolve, 50));
  clock.advance(5_000);
  expect(await silent.heard).toMatch(/no order came/);
});

it('an answer longer than the limit says is not heard', async () => {
  const warm: VmService['warm'] = (_order, tell) => {
    tell?.('x'.repeat(limits.warmAnswerBytes));
    return new Promise(() => undefined);
  };
  await openDoor({ warm });
  await expect(ask()).rejects.toMatchObject({ code: 'TEMPLATE_FAILED' });
});
