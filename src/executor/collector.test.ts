/** What is collected from a guest that lies, keeps silent or has no end: bounded, told in words, never a hang. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ExitReply } from '../contract/guest.ts';
import { defaults } from '../domain/defaults.ts';
import { isBlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { FakeClock } from '../platform/clock.ts';
import { BundleReader } from '../vm/guest-bundle.ts';
import { Collector } from './collector.ts';
import { TestExecution } from './executor.suite.ts';

const exit = { code: 0, signal: 0, wallMs: 1, cpuMs: 1, maxRssKiB: 1, oom: false };

function head(kind: string, name: string | Buffer): Buffer {
  const bytes = Buffer.from(name);
  const length = Buffer.alloc(2);
  length.writeUInt16LE(bytes.length);
  return Buffer.concat([Buffer.from(kind), length, bytes]);
}

function chunk(data: string | Buffer): Buffer {
  const bytes = Buffer.from(data);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

const end = chunk('');
const broken = Buffer.alloc(4, 0xff);
const file = (kind: string, name: string | Buffer, text: string): Buffer =>
  Buffer.concat([head(kind, name), ...(text === '' ? [] : [chunk(text)]), end]);

/** Collects what a guest prints; it ends when it has printed all. */
async function collect(
  printed: readonly Buffer[],
  prepare: (execution: TestExecution) => void = () => undefined,
) {
  const execution = new TestExecution({ command: ['x'] });
  prepare(execution);
  const halt = new AbortController();
  const collector = new Collector({ execution, clock: new FakeClock(), halt: halt.signal });
  const exited = (async (): Promise<ExitReply> => {
    for (const piece of printed) await collector.take('stdout', piece);
    return exit;
  })();
  await collector.ended({ exited, told: exited, signal: () => undefined });
  return { execution, notes: collector.notes };
}

describe('a collection', () => {
  it('takes results and artifacts, in any pieces', async () => {
    const all = Buffer.concat([
      file('R', 'result.json', '{"a":1}'),
      file('A', 'x/y', 'hello'),
      file('A', 'z', ''),
    ]);
    for (const size of [1, 2, 7, all.length]) {
      const pieces = Array.from({ length: Math.ceil(all.length / size) }, (_, n) =>
        all.subarray(n * size, (n + 1) * size),
      );
      const { execution, notes } = await collect(pieces);
      expect(execution.results).toEqual(['{"a":1}']);
      expect(execution.artifacts).toEqual({ 'x/y': 'hello', z: '' });
      expect(notes).toEqual([]);
    }
  });

  it.each([
    ['a path out of its folder', '../../etc/passwd', 'its name is not allowed'],
    ['an absolute path', '/etc/passwd', 'its name is not allowed'],
    ['no name', '', 'its name is not allowed'],
    ['a NUL', 'a\0b', 'its name is not allowed'],
    ['a name that is too long', 'x'.repeat(256), 'its name is not allowed'],
    ['bytes that are no text', Buffer.from([0x61, 0xff]), 'its name is not UTF-8'],
    ['a name that was there before', 'good', 'another one has that name'],
  ])('leaves out %s, and goes on', async (_what, name, problem) => {
    const { execution, notes } = await collect([
      file('A', 'good', '1'),
      file('A', name, '2'),
      file('A', 'last', '3'),
    ]);
    expect(execution.artifacts).toEqual({ good: '1', last: '3' });
    expect(notes.length).toBe(1);
    expect(notes[0]).toContain(problem);
    expect(notes[0]).not.toMatch(/\p{Cc}/u);
  });

  it.each([
    ['{', 'no JSON'],
    ['', 'no JSON'],
    [`"${'x'.repeat(50_000)}"`.repeat(30), 'larger than'],
  ])('drops a result that is none, or too large', async (text, problem) => {
    const parts = [...Array(Math.ceil(text.length / 60_000))].map((_, n) =>
      chunk(text.slice(n * 60_000, (n + 1) * 60_000)),
    );
    const { execution, notes } = await collect([head('R', 'r'), ...parts, end, file('A', 'a', 'x')]);
    expect(execution.results).toEqual([]);
    expect(notes.join()).toContain('result dropped');
    expect(notes.join()).toContain(problem);
    expect(execution.artifacts).toEqual({ a: 'x' });
  });

  it('keeps no file that changed while it was read', async () => {
    const { execution, notes } = await collect([head('A', 'a'), chunk('x'), broken, file('A', 'b', 'y')]);
    expect(execution.artifacts['a']).toBeUndefined();
    expect(notes).toEqual(['artifact a: it changed while it was read, or could not be read']);
  });

  it('keeps no more files than an attempt may have, and few words about the rest', async () => {
    const many = Array.from({ length: limits.artifactsMax + 50 }, (_, n) => file('A', `f${n}`, ''));
    const { execution, notes } = await collect(many);
    expect(Object.keys(execution.artifacts).length).toBe(limits.artifactsMax);
    expect(notes.length).toBe(10);
  });

  it.each([
    ['a kind that is none', head('X', 'a')],
    ['a piece that is too long', Buffer.concat([head('A', 'a'), Buffer.from([1, 0, 1, 0])])],
    ['a name that is far too long', Buffer.from([0x41, 0xff, 0xff])],
  ])('ends at %s', async (_what, bytes) => {
    await expect(collect([bytes])).rejects.toMatchObject({ code: 'GUEST_PROTOCOL' });
  });

  it('ends at a file that has no end', async () => {
    await expect(collect([head('A', 'a'), chunk('x')])).rejects.toThrow('a file cut off in the middle');
  });

  it('has an end when the guest keeps silent, and the time the server takes does not count', async () => {
    const execution = new TestExecution({ command: ['x'] });
    const clock = new FakeClock();
    let serverIsSlow: () => void = () => undefined;
    execution.onTaken = () =>
      new Promise((resolve) => {
        serverIsSlow = resolve;
      });
    const collector = new Collector({ execution, clock, halt: new AbortController().signal });
    const never = new Promise<ExitReply>(() => undefined);
    const ended = collector.ended({ exited: never, told: never, signal: () => undefined });
    let outcome = 'waits';
    ended.catch((error: Error) => {
      outcome = error.message;
    });
    const taken = collector.take('stdout', Buffer.concat([head('A', 'a'), chunk('x')]));
    await clock.advance(10 * defaults.collectWaitMs);
    expect(outcome).toBe('waits');
    serverIsSlow();
    await taken;
    await clock.advance(defaults.collectWaitMs - 1);
    expect(outcome).toBe('waits');
    await clock.advance(1);
    await expect(ended).rejects.toThrow('took longer than');
  });

  it('takes any bytes without more than a GUEST_PROTOCOL', async () => {
    const pieces = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
        fc.constantFrom(head('R', 'r'), head('A', 'a'), head('N', 'note'), chunk('x'), end, broken),
      ),
      { maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(pieces, async (printed) => {
        try {
          const { notes } = await collect(printed);
          expect(notes.length).toBeLessThanOrEqual(10);
        } catch (error) {
          expect(isBlixardError(error, 'GUEST_PROTOCOL')).toBe(true);
        }
      }),
    );
  });

  it('holds little: pieces that never come to an end are refused early', () => {
    const reader = new BundleReader();
    expect(() => {
      for (let n = 0; n < 10; n++) reader.push(Buffer.alloc(limits.frameBytes, 0xfe));
    }).toThrow();
  });
});
