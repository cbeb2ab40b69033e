import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { logHeaderBytes } from '../../contract/log.ts';
import { LogStore } from './log-store.ts';
import { encode, jobId, outputOf, readAll, record } from './records.suite.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'blixard-logs-'));
});
afterEach(() => rm(dir, { recursive: true }));

describe('a log that is too long', () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 200 }), { minLength: 1, maxLength: 150 });

  it('keeps head and tail, and head + missing + tail is all that was written', async () => {
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.integer({ min: 500, max: 8_000 }),
        fc.nat(),
        async (lengths, keepBytes, cut) => {
          const own = await mkdtemp(join(dir, 'p-'));
          const records = lengths.map((length, i) =>
            record(Buffer.alloc(length, i), i % 3 === 0 ? 'stderr' : 'stdout', i),
          );
          let store = new LogStore({ dir: own, keepBytes });
          let offset = 0;
          for (const [index, each] of records.entries()) {
            offset = await store.append(jobId, 1, offset, encode([each]));
            if (index === cut % records.length) {
              await store.close();
              store = new LogStore({ dir: own, keepBytes });
            }
          }
          const back = await readAll(store);
          const kept = back.records.map((each) => each.atMs);
          const missing = back.gaps.reduce((sum, gap) => sum + gap.missingBytes, 0);

          expect(back.records).toEqual(kept.map((index) => records[index]));
          expect(outputOf(back.records) + missing).toBe(outputOf(records));
          expect(back.gaps.length).toBeLessThanOrEqual(1);
          expect(encode(back.records).length).toBeLessThanOrEqual(keepBytes);
          expect(kept.at(-1)).toBe(records.length - 1);
          let head = 0;
          for (const [index, each] of records.entries()) {
            head += logHeaderBytes + each.data.length;
            if (head <= keepBytes / 2) expect(kept[index]).toBe(index);
          }
          if (missing > 0)
            expect(encode(back.records).length).toBeGreaterThan(keepBytes / 2 - 2 * 211 - keepBytes / 32);
          expect(await store.size(jobId, 1)).toEqual({
            endOffset: offset,
            outputBytes: outputOf(records),
            missingBytes: missing,
          });
          await store.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('tells a reader that was overtaken exactly how much it has missed', async () => {
    const store = new LogStore({ dir, keepBytes: 64 * 100 });
    const piece = (i: number): Buffer => encode([record(Buffer.alloc(89, i))]);
    let offset = 0;
    for (let i = 0; i < 40; i++) offset = await store.append(jobId, 1, offset, piece(i));
    const reader = store.reader(jobId, 1, 35 * 100);
    expect((await reader.next({ maxBytes: 100 }))?.nextOffset).toBe(36 * 100);
    for (let i = 40; i < 100; i++) offset = await store.append(jobId, 1, offset, piece(i));
    const next = await reader.next();
    expect(next?.missingBytes).toBe((100 - 32 - 36) * 89);
    expect(next?.nextOffset).toBe(69 * 100);
    await store.close();
  });

  it('refuses an offset inside a record', async () => {
    const store = new LogStore({ dir, keepBytes: 10_000 });
    await store.append(jobId, 1, 0, encode([record('one'), record('two')]));
    await expect(store.reader(jobId, 1, 3).next()).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      details: { field: 'offset', value: '3' },
    });
    await store.close();
  });
});
