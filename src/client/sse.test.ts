import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { type SseMessage, SseParser } from './sse.ts';

function parse(chunks: readonly Uint8Array[]): SseMessage[] {
  const parser = new SseParser({ url: 'test' });
  return chunks.flatMap((chunk) => parser.push(chunk));
}

/** Cuts bytes at these shares of their length. */
function cut(bytes: Buffer, shares: readonly number[]): Buffer[] {
  const places = [
    0,
    ...shares.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b),
    bytes.length,
  ];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

describe('server-sent events', () => {
  it('are the same however the bytes are cut and whatever ends a line', () => {
    const word = fc.stringMatching(/^[a-zé€😀0-9]{1,8}$/u);
    const message = fc.record({
      event: word,
      data: fc.array(word, { minLength: 1, maxLength: 3 }),
      id: word,
    });
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 10 });
    fc.assert(
      fc.property(fc.array(message), fc.constantFrom('\n', '\r\n', '\r'), shares, (messages, eol, where) => {
        const text = messages
          .map(({ event, data, id }) =>
            [
              `event: ${event}`,
              ': a comment',
              ...data.map((line) => `data:${line}`),
              `id: ${id}`,
              '',
              '',
            ].join(eol),
          )
          .join('');
        // A lone CR ends a message only when the next byte is there.
        const found = parse([...cut(Buffer.from(text), where), Buffer.from(': end')]);
        expect(found).toEqual(messages.map(({ event, data, id }) => ({ event, data: data.join('\n'), id })));
      }),
    );
  });

  it('without data are none, and an id without data is forgotten', () => {
    expect(parse([Buffer.from('id: 1\n\n: still here\n\nevent: x\n\ndata\n\n')])).toEqual([
      { event: 'message', data: '', id: undefined },
    ]);
  });

  it('longer than the bound are refused, in one line or in many', () => {
    const parser = new SseParser({ url: 'test' });
    const chunk = Buffer.alloc(64 * 1024, 'x');
    expect(() => {
      for (let sent = 0; sent <= limits.bodyBytes; sent += chunk.length) parser.push(chunk);
    }).toThrow(/an event longer than/);
    const lines = new SseParser({ url: 'test' });
    expect(() => {
      for (let sent = 0; sent <= limits.bodyBytes * 2; sent += 1_000)
        lines.push(Buffer.from(`data: ${'x'.repeat(990)}\n`));
    }).toThrow(/an event longer than/);
  });
});
