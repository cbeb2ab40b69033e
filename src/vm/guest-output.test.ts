/** The queue between a guest and a reader who may be slow: order, and a bound on what waits. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogStream } from '../contract/log.ts';
import { limits } from '../domain/limits.ts';
import { OutputQueue } from './guest-output.ts';

const pieces = fc.array(
  fc.record({
    stream: fc.constantFrom<LogStream>('stdout', 'stderr'),
    text: fc.string({ minLength: 1, maxLength: 20 }),
  }),
);

function collector(read: () => Promise<void>) {
  const calls: { stream: LogStream; text: string }[] = [];
  let deliveredBytes = 0;
  const errors: unknown[] = [];
  const queue = new OutputQueue({
    output: async (stream, data) => {
      await read();
      calls.push({ stream, text: data.toString() });
    },
    delivered: (bytes) => {
      deliveredBytes += bytes;
    },
    failed: (error) => errors.push(error),
  });
  const text = (stream?: LogStream) =>
    calls
      .filter((call) => stream === undefined || call.stream === stream)
      .map((call) => call.text)
      .join('');
  return { queue, calls, errors, text, deliveredBytes: () => deliveredBytes };
}

describe('OutputQueue', () => {
  it('delivers every byte in the order it came, also across the streams', async () => {
    await fc.assert(
      fc.asyncProperty(pieces, async (pushed) => {
        const { queue, text, deliveredBytes } = collector(async () => undefined);
        for (const { stream, text } of pushed) queue.push(stream, Buffer.from(text));
        await queue.finished();
        const all = pushed.map((piece) => piece.text).join('');
        expect(text()).toBe(all);
        expect(deliveredBytes()).toBe(Buffer.byteLength(all));
      }),
    );
  });

  it('joins what waits, so that a flood of single bytes stays small', async () => {
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { queue, calls, text } = collector(() => gate);
    for (let i = 0; i < 200_000; i++) queue.push(i % 2 === 0 ? 'stdout' : 'stderr', Buffer.from(`${i % 7}`));
    open();
    await queue.finished();
    const expected = (parity: number) =>
      Array.from({ length: 100_000 }, (_, i) => `${(2 * i + parity) % 7}`).join('');
    expect(text('stdout')).toBe(expected(0));
    expect(text('stderr')).toBe(expected(1));
    expect(calls.length).toBeLessThan(limits.outputPieces + 10);
    expect(Math.max(...calls.map((call) => call.text.length))).toBeLessThanOrEqual(limits.frameBytes);
  });

  it('never changes bytes it was given', async () => {
    const given = Buffer.from('abcdef');
    const { queue, text } = collector(async () => undefined);
    queue.push('stdout', given.subarray(0, 2));
    queue.push('stdout', Buffer.from('12'));
    queue.push('stdout', Buffer.from('34'));
    await queue.finished();
    expect(text()).toBe('ab1234');
    expect(given.toString()).toBe('abcdef');
  });

  it('stops at the first error of its reader', async () => {
    const { queue, calls, errors } = collector(() => Promise.reject(new Error('full')));
    queue.push('stdout', Buffer.from('a'));
    queue.push('stderr', Buffer.from('b'));
    await queue.finished();
    expect(calls).toEqual([]);
    expect(errors).toEqual([new Error('full')]);
  });
});
