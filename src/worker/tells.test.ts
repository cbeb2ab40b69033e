import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlixardError } from '../domain/errors.ts';
import { FakeExecutor } from '../executor/fake/fake-executor.ts';
import { realClock } from '../platform/clock.ts';
import { seededRandom } from '../platform/random.ts';
import { loseAnswer, testIds, unreachable, World, waitUntil } from './world.suite.ts';

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(async () => {
  expect(await world.close()).toEqual([]);
});

async function download(id: string, name: string): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of world.client.downloadArtifact(id, name)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

async function namesOf(id: string): Promise<string[]> {
  const { artifacts } = await world.client.call('listArtifacts', { params: { id } });
  return artifacts.map(({ name }) => name);
}

const telling = ['result', '{"n":1}', ';', 'artifact', 'a/b.txt', 'text', ';', 'artifact', 'empty', ''];

describe('a job', () => {
  it('tells progress while it runs, and result and artifacts with its end', async () => {
    await world.startWorker();
    const job = await world.submit(['progress', '40', 'compiling', ';', ...telling, ';', 'sleep', '300']);
    await waitUntil(async () => (await world.get(job.id)).progress?.percent === 40);
    expect((await world.get(job.id)).progress).toMatchObject({ message: 'compiling' });
    expect(await world.ended(job.id)).toMatchObject({ state: 'completed', message: null });
    expect(await world.client.readResult(job.id)).toBe('{"n":1}');
    expect(await namesOf(job.id)).toEqual(['a/b.txt', 'empty']);
    expect(await download(job.id, 'a/b.txt')).toBe('text');
  });

  it('of a light executor tells the same, its start first, and takes inputs', async () => {
    const executor = new FakeExecutor({ clock: realClock, name: 'microvm', isLight: true });
    const { wire } = await world.startWorker({ executor });
    const job = await world.submit([...telling, ';', 'progress', '40', 'compiling']);
    expect(await world.ended(job.id)).toMatchObject({ state: 'completed', progress: { percent: 40 } });
    const ofJob = wire.seen.filter((call) => call.includes(job.id)).map((call) => call.split('/').at(-1));
    expect(ofJob).toEqual(['start', 'result', 'artifacts', 'artifacts', 'progress']);
    expect(await download(job.id, 'a/b.txt')).toBe('text');
    const next = await world.submit(['input', `${job.id}/result.json`], { inputs: [job.id] });
    expect(await world.ended(next.id)).toMatchObject({ state: 'completed' });
    expect((await world.output(next.id)).toString()).toBe('{"n":1}');
  });

  it('that chatters costs few calls, and its last progress is told', async () => {
    const { wire } = await world.startWorker();
    const job = await world.submit(['chatter', '1000', ';', 'sleep', '50', ';', 'progress', '100', 'done']);
    expect(await world.ended(job.id)).toMatchObject({ progress: { percent: 100, message: 'done' } });
    expect(wire.seen.filter((call) => call.endsWith('/progress')).length).toBeLessThanOrEqual(3);
  });

  it('ends as its command did when its result is none, and says so', async () => {
    await world.startWorker();
    const job = await world.submit([
      'result',
      '{oops',
      ';',
      'artifact',
      '../evil',
      'x',
      ';',
      'artifact',
      'ok',
      'y',
    ]);
    const ended = await world.ended(job.id);
    expect(ended).toMatchObject({ state: 'completed', exitCode: 0 });
    expect(ended.message).toContain('It is no JSON in UTF-8');
    expect(ended.message).toContain('name');
    await expect(world.client.readResult(job.id)).rejects.toMatchObject({ code: 'RESULT_NOT_FOUND' });
    expect(await namesOf(job.id)).toEqual(['ok']);
  });

  it('that fails keeps what it left', async () => {
    await world.startWorker();
    const job = await world.submit([...telling, ';', 'exit', '3']);
    expect(await world.ended(job.id)).toMatchObject({ state: 'failed', exitCode: 3 });
    expect(await namesOf(job.id)).toEqual(['a/b.txt', 'empty']);
  });

  it('is not lost when the disk of the server is full: it ends, and says what was not kept', async () => {
    const { wire } = await world.startWorker();
    wire.fate = async (request, pass) => {
      if (request.path.includes('/artifacts?')) throw new BlixardError('DISK_FULL', { problem: 'no space' });
      return pass();
    };
    const job = await world.submit(telling);
    const ended = await world.ended(job.id);
    expect(ended).toMatchObject({ state: 'completed', exitCode: 0 });
    expect(ended.message).toContain('The disk of the control node is full');
    expect(await world.client.readResult(job.id)).toBe('{"n":1}');
  });

  it('tells the same on a wire that loses requests and answers', { timeout: 60_000 }, async () => {
    const { wire } = await world.startWorker();
    const random = seededRandom(7);
    wire.fate = async (request, pass) => {
      const chance = random.unit();
      if (chance < 0.15) throw unreachable();
      return chance < 0.35 ? loseAnswer(request, pass) : pass();
    };
    const jobs = await Promise.all(Array.from({ length: 8 }, () => world.submit(telling)));
    for (const { id } of jobs) {
      expect(await world.ended(id)).toMatchObject({ state: 'completed', message: null });
      expect(await world.client.readResult(id)).toBe('{"n":1}');
      expect(await download(id, 'a/b.txt')).toBe('text');
    }
  });
});

describe('inputs', () => {
  it('are the results and artifacts of other jobs', async () => {
    await world.startWorker();
    const parent = await world.submit(telling);
    await world.ended(parent.id);
    const show = ['result.json', 'artifacts/a/b.txt', 'artifacts/empty'];
    const command = show.flatMap((name) => ['input', `${parent.id}/${name}`, ';', 'print', '|', ';']);
    const child = await world.submit([...command, 'exit', '0'], { inputs: [parent.id, parent.id] });
    expect(await world.ended(child.id)).toMatchObject({ state: 'completed' });
    expect(String(await world.output(child.id))).toBe('{"n":1}|text||');
  });

  it('that are not there any more fail the job before its command runs', async () => {
    const { executor } = await world.startWorker();
    const parent = await world.submit(telling);
    await world.ended(parent.id);
    const job = await world.submit(['print', 'side effect'], { inputs: [parent.id], delayMs: 300 });
    await world.client.call('removeJob', { params: { id: parent.id } });
    const message = `The output of job ${parent.id} cannot be had: there is no such job.`;
    expect(await world.ended(job.id)).toMatchObject({ state: 'failed', reason: 'input_missing', message });
    expect(executor.begun).not.toContain(`${job.id}/1`);
  });

  it('are waited for: the job runs once they have ended, and not before', async () => {
    await world.startWorker();
    const none = testIds();
    await expect(world.submit(['exit', '0'], { inputs: [none] })).rejects.toMatchObject({
      code: 'PARENT_UNKNOWN',
    });
    const parent = await world.submit(['sleep', '400', ';', ...telling]);
    const child = await world.submit(['input', `${parent.id}/result.json`], { inputs: [parent.id] });
    expect(child.state).toBe('blocked');
    expect(await world.ended(child.id)).toMatchObject({ state: 'completed', attempt: 1 });
    expect(String(await world.output(child.id))).toBe('{"n":1}');
  });
});
