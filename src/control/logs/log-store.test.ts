import { execFile } from 'node:child_process';
import { appendFile, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { logHeaderBytes } from '../../contract/log.ts';
import { limits } from '../../domain/limits.ts';
import { LogStore } from './log-store.ts';
import { encode, jobId, outputOf, readAll, record } from './records.suite.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'blixard-logs-'));
});
afterEach(() => rm(dir, { recursive: true }));

describe('a log that is short enough', () => {
  it('gives back any bytes, streams and times unchanged', async () => {
    const anyRecord = fc.record({
      stream: fc.constantFrom('stdout' as const, 'stderr' as const),
      atMs: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      data: fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes)),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRecord, { maxLength: 20 }),
        fc.integer({ min: 1, max: 5_000 }),
        async (records, maxBytes) => {
          const store = new LogStore({ dir: await mkdtemp(join(dir, 'p-')), keepBytes: 1_000_000 });
          const bytes = encode(records);
          expect(await store.append(jobId, 1, 0, bytes)).toBe(bytes.length);
          expect(await readAll(store, 0, maxBytes)).toEqual({ records, gaps: [] });
          expect(await store.size(jobId, 1)).toEqual({
            endOffset: bytes.length,
            outputBytes: outputOf(records),
            missingBytes: 0,
          });
          await store.close();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('takes the same upload twice, or one that overlaps, without doubling anything', async () => {
    const store = new LogStore({ dir, keepBytes: 1_000_000 });
    const first = encode([record('one'), record('two')]);
    const both = Buffer.concat([first, encode([record('three')])]);
    await store.append(jobId, 1, 0, first);
    expect(await store.append(jobId, 1, 0, first)).toBe(first.length);
    expect(await store.append(jobId, 1, 0, both)).toBe(both.length);
    expect((await readAll(store)).records.map((each) => String(each.data))).toEqual(['one', 'two', 'three']);
    await store.close();
  });

  it('refuses an upload past its end; with gap it goes on and counts what is lost', async () => {
    const store = new LogStore({ dir, keepBytes: 1_000_000 });
    const one = encode([record('one')]);
    await store.append(jobId, 1, 0, one);
    await expect(store.append(jobId, 1, 100, one)).rejects.toMatchObject({
      code: 'LOG_OFFSET_MISMATCH',
      details: { expectedOffset: one.length, offset: 100, jobId, attempt: 1 },
    });
    expect(await store.append(jobId, 1, 100, one, true)).toBe(100 + one.length);
    const back = await readAll(store);
    expect(back.gaps).toEqual([{ before: 1, missingBytes: 100 - one.length }]);
    expect(back.records).toHaveLength(2);
    expect((await store.size(jobId, 1)).missingBytes).toBe(100 - one.length);
    await store.close();
  });

  it('refuses other bytes where it has some, a torn record, and what is no record', async () => {
    const store = new LogStore({ dir, keepBytes: 1_000_000 });
    await store.append(jobId, 1, 0, encode([record('one')]));
    const other = encode([record('eno')]);
    await expect(store.append(jobId, 1, 0, other)).rejects.toMatchObject({ code: 'LOG_OFFSET_MISMATCH' });
    await expect(store.append(jobId, 1, 0, encode([record('one two')]))).rejects.toMatchObject({
      code: 'LOG_OFFSET_MISMATCH',
    });
    for (const bad of [other.subarray(0, -1), other.subarray(0, 5), Buffer.alloc(40, 0xff)]) {
      await expect(store.append(jobId, 1, other.length, bad)).rejects.toMatchObject({
        code: 'VALIDATION_FAILED',
      });
    }
    expect((await store.size(jobId, 1)).endOffset).toBe(other.length);
    await store.close();
  });

  it('keeps order when uploads arrive at once', async () => {
    const store = new LogStore({ dir, keepBytes: 1_000_000 });
    const pieces = Array.from({ length: 10 }, (_, i) => encode([record(`line ${i}\n`)]));
    const size = pieces[0]?.length ?? 0;
    await Promise.all(pieces.map((piece, i) => store.append(jobId, 1, i * size, piece)));
    expect((await readAll(store)).records.map((each) => String(each.data)).join('')).toBe(
      Array.from({ length: 10 }, (_, i) => `line ${i}\n`).join(''),
    );
    await store.close();
  });
});

describe('after a crash', () => {
  it('cuts the torn record at the end and goes on from there', async () => {
    const before = new LogStore({ dir, keepBytes: 1_000_000 });
    const one = encode([record('one')]);
    await before.append(jobId, 1, 0, one);
    await before.close();
    const folder = join(dir, jobId, '1');
    const [name = ''] = await readdir(folder);
    await appendFile(join(folder, name), encode([record('never finished')]).subarray(0, -3));

    const after = new LogStore({ dir, keepBytes: 1_000_000 });
    expect((await after.size(jobId, 1)).endOffset).toBe(one.length);
    await after.append(jobId, 1, one.length, encode([record('two')]));
    expect((await readAll(after)).records.map((each) => String(each.data))).toEqual(['one', 'two']);
    await after.close();
  });

  it('passes over a damaged middle and says how much of it is missing', async () => {
    const keepBytes = 64 * 200;
    const before = new LogStore({ dir, keepBytes });
    const records = Array.from({ length: 12 }, (_, i) => record(Buffer.alloc(89, 65 + i)));
    await before.append(jobId, 1, 0, encode(records));
    await before.close();
    const folder = join(dir, jobId, '1');
    const names = (await readdir(folder)).sort();
    await rm(join(folder, names[1] ?? ''));

    const after = new LogStore({ dir, keepBytes });
    const back = await readAll(after);
    expect(back.gaps).toEqual([{ before: 2, missingBytes: 2 * 89 }]);
    expect(back.records).toEqual([...records.slice(0, 2), ...records.slice(4)]);
    await after.close();
  });
});

describe('on a full disk', () => {
  it('refuses the upload and keeps nothing half written', async () => {
    const source = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
    const program = `
      import { LogStore } from ${source('./log-store.ts')};
      import { encodeLogRecord } from ${source('../../contract/log.ts')};
      const store = new LogStore({ dir: ${JSON.stringify(dir)}, keepBytes: 2 ** 30 });
      const bytes = encodeLogRecord({ stream: 'stdout', atMs: 1, data: Buffer.alloc(60_000, 'x') });
      let offset = 0;
      try {
        for (let i = 0; i < 1_000; i++) offset = await store.append('${jobId}', 1, offset, bytes);
      } catch (error) {
        console.log(JSON.stringify({ code: error.code, uploads: offset / bytes.length }));
      }`;
    const node = `${process.execPath} --import tsx --input-type=module -e "$PROGRAM"`;
    const { stdout } = await promisify(execFile)('sh', ['-c', `ulimit -f 4000; exec ${node}`], {
      env: { ...process.env, PROGRAM: program },
    });
    const { code, uploads } = JSON.parse(stdout) as { code: string; uploads: number };
    expect(code).toBe('STORE_FULL');
    expect(uploads).toBeGreaterThan(10);
    const folder = join(dir, jobId, '1');
    const [name = ''] = await readdir(folder);
    expect((await stat(join(folder, name))).size).toBe(uploads * (60_000 + logHeaderBytes));
  });
});

describe('many logs', () => {
  it('closes the longest unused beyond its bound, and all of them go on', async () => {
    const store = new LogStore({ dir, keepBytes: 10_000 });
    const one = encode([record('one')]);
    for (const round of [0, 1]) {
      for (let attempt = 1; attempt <= limits.openLogs + 20; attempt++) {
        await store.append(jobId, attempt, round * one.length, one);
      }
    }
    for (let attempt = 1; attempt <= limits.openLogs + 20; attempt++) {
      expect((await store.size(jobId, attempt)).endOffset).toBe(2 * one.length);
    }
    await store.close();
  });

  it('makes nothing on disk by reading, and refuses what is no job id', async () => {
    const store = new LogStore({ dir, keepBytes: 10_000 });
    expect(await store.size(jobId, 1)).toEqual({ endOffset: 0, outputBytes: 0, missingBytes: 0 });
    await store.seal(jobId, 1);
    await expect(stat(join(dir, jobId))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(store.size('../etc', 1)).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' });
    await store.close();
  });

  it('wakes those who wait for this log, and only while they wait', async () => {
    const store = new LogStore({ dir, keepBytes: 10_000 });
    let woken = 0;
    const stop = store.onAppend(jobId, 1, () => woken++);
    await store.append(jobId, 1, 0, encode([record('one')]));
    await store.append(jobId, 2, 0, encode([record('one')]));
    expect(woken).toBe(1);
    stop();
    await store.append(jobId, 1, 14, encode([record('two')]));
    expect([woken, store.listened]).toEqual([1, 0]);
    await store.close();
  });
});

describe('the logs of a job', () => {
  it('are removed with their folder, those that are open and read, too', async () => {
    const store = new LogStore({ dir, keepBytes: 1_000_000 });
    await store.append(jobId, 1, 0, encode([record('one')]));
    await store.append(jobId, 2, 0, encode([record('two')]));
    const reader = store.reader(jobId, 2);
    await store.remove(jobId);
    expect(await readdir(dir)).toEqual([]);
    expect((await store.size(jobId, 1)).endOffset).toBe(0);
    expect(await reader.next()).toBeUndefined();
    await store.remove(jobId);
    await store.remove('../elsewhere');
    await store.close();
  });
});
