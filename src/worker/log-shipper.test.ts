import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeLogRecords, type LogStream } from '../contract/log.ts';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { type Clock, FakeClock, realClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { realRandom } from '../platform/random.ts';
import { LogBuffer, type LogUpload } from './log-buffer.ts';
import { LogShipper } from './log-shipper.ts';
import { unreachable, waitUntil } from './world.suite.ts';

const fast: Clock = { ...realClock, after: (ms, fire) => realClock.after(ms / 20, fire) };

/** A log at a server, with one fate for each upload to come. */
class TestLog {
  bytes = Buffer.alloc(0);
  readonly uploads: LogUpload[] = [];
  readonly fates: ((upload: LogUpload) => void | Promise<void>)[] = [];

  append = async (upload: LogUpload): Promise<number> => {
    this.uploads.push(upload);
    await this.fates.shift()?.(upload);
    return this.take(upload);
  };

  take(upload: LogUpload): number {
    if (upload.offset > this.bytes.length && upload.gap) this.bytes = Buffer.alloc(upload.offset);
    const expectedOffset = this.bytes.length;
    if (upload.offset > expectedOffset) {
      const details = { jobId: 'j', attempt: 1, offset: upload.offset, expectedOffset };
      throw new BlixardError('LOG_OFFSET_MISMATCH', details);
    }
    const fresh = upload.bytes.subarray(expectedOffset - upload.offset);
    this.bytes = Buffer.concat([this.bytes, fresh]);
    return this.bytes.length;
  }

  output(stream: LogStream): string {
    const { records, usedBytes } = decodeLogRecords(this.bytes);
    expect(usedBytes).toBe(this.bytes.length);
    return records
      .filter((record) => record.stream === stream)
      .map(({ data }) => data.toString('latin1'))
      .join('');
  }
}

function make(log = new TestLog(), isServerAway = () => false, { clock = fast, isKilled = false } = {}) {
  const killer = new AbortController();
  if (isKilled) killer.abort();
  let fenced = 0;
  const shipper = new LogShipper({
    clock,
    random: realRandom,
    log: silentLog,
    append: log.append,
    isServerAway,
    onFenced: () => {
      fenced++;
    },
    kill: killer.signal,
  });
  return { log, shipper, killer, fencedTimes: () => fenced };
}

const text = (value: string): Buffer => Buffer.from(value, 'latin1');

describe('LogShipper', () => {
  it('sends the first bytes at once and joins small ones that follow', async () => {
    const { log, shipper } = make();
    await shipper.write('stdout', text('first'));
    expect(log.uploads.length).toBe(1);
    for (let n = 0; n < 100; n++) await shipper.write('stdout', text('.'));
    await shipper.finish(1_000);
    expect(log.output('stdout')).toBe(`first${'.'.repeat(100)}`);
    expect(log.uploads.length).toBeLessThanOrEqual(3);
    expect(decodeLogRecords(log.bytes).records.length).toBeLessThan(20);
  });

  it('holds the writer back while the server is away, at a bounded amount, and loses nothing', async () => {
    const { log, shipper } = make();
    let away = true;
    const gate = (): void => {
      if (away) throw unreachable();
    };
    log.fates.push(...Array.from({ length: 1_000 }, () => gate));
    let written = 0;
    const chunk = text('x'.repeat(64 * 1024));
    const writing = (async () => {
      for (; written < 100; written++) await shipper.write('stdout', chunk);
    })();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(written * chunk.length).toBeLessThanOrEqual(limits.logBufferBytes);
    expect(written).toBeGreaterThan(25);
    away = false;
    await writing;
    await shipper.finish(10_000);
    expect(log.output('stdout').length).toBe(100 * chunk.length);
    for (const { bytes } of log.uploads) expect(bytes.length).toBeLessThanOrEqual(limits.logUploadBytes);
  });

  it('sends again what may have been lost, at the same offset, so that nothing is there twice', async () => {
    const { log, shipper } = make();
    const loseAnswer = (upload: LogUpload): void => {
      log.take(upload);
      throw unreachable();
    };
    log.fates.push(loseAnswer, loseAnswer);
    await shipper.write('stdout', text('a'));
    await shipper.write('stderr', text('b'));
    await shipper.finish(10_000);
    expect([log.output('stdout'), log.output('stderr')]).toEqual(['a', 'b']);
  });

  it('goes on behind a gap when the server has lost what it had', async () => {
    const { log, shipper } = make();
    await shipper.write('stdout', text('lost at the server'));
    await waitUntil(() => log.bytes.length > 0);
    log.bytes = Buffer.alloc(0);
    await shipper.write('stdout', text('later'));
    await shipper.finish(10_000);
    const last = log.uploads.at(-1);
    expect(last?.gap).toBe(true);
    expect(decodeLogRecords(log.bytes.subarray(last?.offset)).records[0]?.data.toString()).toBe('later');
  });

  it('tells that the attempt is not ours any more, and takes all that follows without a word', async () => {
    const { log, shipper, fencedTimes } = make();
    log.fates.push(() => {
      throw new BlixardError('FENCED', { problem: 'another has it' });
    });
    await shipper.write('stdout', text('a'));
    await waitUntil(() => fencedTimes() === 1);
    await shipper.write('stdout', Buffer.alloc(10 * 1024 * 1024));
    await shipper.finish(1_000);
    expect(log.uploads.length).toBe(1);
  });

  it('gives a log up that the server refuses, and holds nobody back for it', async () => {
    const { log, shipper, fencedTimes } = make();
    log.fates.push(() => {
      throw new BlixardError('VALIDATION_FAILED', { field: 'body', problem: 'no records' });
    });
    await shipper.write('stdout', text('a'));
    for (let n = 0; n < 100; n++) await shipper.write('stdout', Buffer.alloc(64 * 1024));
    await shipper.finish(1_000);
    expect(fencedTimes()).toBe(0);
  });

  it('waits a bounded time for the last bytes', async () => {
    const { log, shipper } = make();
    log.fates.push(...Array.from({ length: 1_000 }, () => () => Promise.reject(unreachable())));
    await shipper.write('stdout', text('a'));
    await shipper.finish(200);
    expect(log.bytes.length).toBe(0);
    await shipper.write('stdout', text('b'));
  });

  it('waits for a server that is away longer than that, and loses nothing of an ended command', async () => {
    let away = true;
    const { log, shipper } = make(new TestLog(), () => away);
    const gate = (): void => {
      if (away) throw unreachable();
    };
    log.fates.push(...Array.from({ length: 1_000 }, () => gate));
    await shipper.write('stdout', text('the last words'));
    const finished = shipper.finish(6_000);
    await new Promise((resolve) => setTimeout(resolve, 500));
    away = false;
    await finished;
    expect(log.output('stdout')).toBe('the last words');
  });

  it('a kill lets go of a writer that waits', async () => {
    const { log, shipper, killer } = make();
    log.fates.push(() => new Promise(() => undefined));
    const writing = (async () => {
      for (let n = 0; n < 100; n++) await shipper.write('stdout', Buffer.alloc(64 * 1024));
    })();
    await new Promise((resolve) => setTimeout(resolve, 10));
    killer.abort();
    await writing;
  });

  it('takes what comes after the kill without a word, and leaves nothing under way', async () => {
    const clock = new FakeClock();
    const { log, shipper } = make(new TestLog(), () => true, { clock, isKilled: true });
    log.fates.push(() => Promise.reject(unreachable()));
    await shipper.write('stdout', text('cleaning up'));
    await shipper.write('stdout', Buffer.alloc(2 * limits.logBufferBytes));
    await shipper.finish(1_000);
    expect(log.uploads).toEqual([]);
    expect(clock.waiting).toBe(0);
  });
});

describe('LogBuffer', () => {
  const pieces = fc.array(
    fc.record({
      stream: fc.constantFrom<LogStream>('stdout', 'stderr'),
      size: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 60_000, max: 400_000 })),
      laterMs: fc.integer({ min: 0, max: 10 }),
    }),
    { maxLength: 30 },
  );

  it('gives back every byte in order, in bounded uploads of whole records', () => {
    fc.assert(
      fc.property(pieces, (list) => {
        const buffer = new LogBuffer();
        const expected: Record<LogStream, Buffer[]> = { stdout: [], stderr: [] };
        let atMs = 1_000;
        for (const [n, { stream, size, laterMs }] of list.entries()) {
          const data = Buffer.alloc(size, n);
          atMs += laterMs;
          buffer.add(stream, atMs, data);
          expected[stream].push(data);
        }
        const found: Record<LogStream, Buffer[]> = { stdout: [], stderr: [] };
        let offset = 0;
        for (let upload = buffer.next(); upload !== undefined; upload = buffer.next()) {
          expect(upload.offset).toBe(offset);
          expect(upload.bytes.length).toBeLessThanOrEqual(limits.logUploadBytes);
          expect(buffer.next()).toBe(upload);
          const { records, usedBytes } = decodeLogRecords(upload.bytes);
          expect(usedBytes).toBe(upload.bytes.length);
          for (const record of records) found[record.stream].push(record.data);
          offset += upload.bytes.length;
          buffer.acknowledge(offset);
        }
        expect(buffer.bytes).toBe(0);
        for (const stream of ['stdout', 'stderr'] as const) {
          expect(Buffer.concat(found[stream]).equals(Buffer.concat(expected[stream]))).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('continues where the server is, or not at all', () => {
    const filled = (): [LogBuffer, LogUpload] => {
      const buffer = new LogBuffer();
      buffer.add('stdout', 0, Buffer.alloc(100));
      const first = buffer.next();
      buffer.acknowledge(first?.bytes.length ?? 0);
      buffer.add('stdout', 0, Buffer.alloc(50, 1));
      const second = buffer.next();
      if (second === undefined) throw new Error('nothing to upload');
      return [buffer, second];
    };
    const [has, upload] = filled();
    expect(has.continueFrom(upload.offset + upload.bytes.length)).toBe(true);
    expect(has.next()).toBeUndefined();
    const [part] = filled();
    expect(part.continueFrom(upload.offset + 20)).toBe(true);
    expect(part.next()).toMatchObject({ offset: upload.offset + 20, gap: false });
    const [lost] = filled();
    expect(lost.continueFrom(3)).toBe(true);
    expect(lost.next()).toMatchObject({ offset: upload.offset, gap: true });
    expect(lost.continueFrom(3)).toBe(false);
    for (const nonsense of [upload.offset, upload.offset + 10_000, Number.NaN]) {
      expect(filled()[0].continueFrom(nonsense)).toBe(false);
    }
  });
});
