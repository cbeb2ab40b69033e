import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type AnswerFrame, callsPath } from '../../contract/calls.ts';
import { mib } from '../../domain/amounts.ts';
import { limits } from '../../domain/limits.ts';
import { KnownText } from '../json-text.ts';
import { answerText, messagesOf } from './answer-texts.ts';
import { startTestSystem, type TestSystem } from './test-system.suite.ts';

/** An answer with a text of this length; nothing is stored of it before somebody reads it. */
class LongText extends KnownText {
  readonly #length: number;

  constructor(length: number) {
    super();
    this.#length = length;
  }

  override jsonText(): string {
    return `"${'x'.repeat(this.#length - 2)}"`;
  }
}

describe('an answer', () => {
  const frame = (length: number): AnswerFrame => ({ id: 1, status: 200, body: new LongText(length) });
  const around = answerText(frame(10)).length - 10;

  it('has a bound, with which it still fits into a message', () => {
    const longest = answerText(frame(limits.answerLength - around));
    expect(longest.length).toBe(limits.answerLength);
    expect(messagesOf([longest])[0]?.length).toBe(limits.answerLength + 2);
    expect(() => answerText(frame(limits.answerLength - around + 1))).toThrow(/an answer of 536869889 char/);
  });
});

describe('messages', () => {
  it('have as many answers as they may be long, in their order', () => {
    const half = 'h'.repeat(limits.messageLength / 2);
    expect(messagesOf([])).toEqual([]);
    expect(messagesOf(['1', '2'])).toEqual(['[1,2]']);
    const lengths = messagesOf([half, half, '1', half, '2', half]).map((message) => message.length);
    expect(lengths).toEqual([2 * half.length + 3, half.length + 6, half.length + 2]);
  });

  it('are never longer than any text can be', () => {
    const long = 'x'.repeat(300 * mib);
    expect(messagesOf(['1', long, '2', long]).map((message) => message.length)).toEqual([
      3,
      long.length + 2,
      3,
      long.length + 2,
    ]);
  });
});

describe('over one connection', () => {
  let system: TestSystem;
  let webSocket: WebSocket;
  beforeEach(async () => {
    system = await startTestSystem();
    webSocket = new WebSocket(`${system.url.replace('http', 'ws')}${callsPath}`);
    await once(webSocket, 'open');
  });
  afterEach(async () => {
    webSocket.terminate();
    await system.close();
  });

  /** Asks so often at once; gives the answers of each message. */
  async function askStats(count: number, answer: () => unknown): Promise<AnswerFrame[][]> {
    Object.assign(system.deps.queries, { stats: async () => answer() });
    const messages: AnswerFrame[][] = [];
    webSocket.on('message', (data: Buffer) => messages.push(JSON.parse(String(data)) as AnswerFrame[]));
    const frames = Array.from({ length: count }, (_, id) => ({ id, route: 'getStats' }));
    webSocket.send(JSON.stringify(frames));
    while (messages.flat().length < count) await once(webSocket, 'message');
    return messages;
  }

  it('an answer that cannot be written is a refusal, and the next one comes', async () => {
    let asked = 0;
    const unwritable = { toJSON: () => 'x'.repeat(300 * mib) + 'x'.repeat(300 * mib) };
    const answers = await askStats(2, () => (asked++ === 0 ? unwritable : {}));
    expect(answers.flat()).toMatchObject([
      { id: 0, status: 500, body: { code: 'INTERNAL' } },
      { id: 1, status: 200 },
    ]);
  });

  it('answers of one turn that are long together go out in several messages', async () => {
    const messages = await askStats(5, () => new LongText(6 * mib));
    // Of 6 MiB each, two are a message; the fourth becomes text when the first three have been taken.
    expect(messages.map((message) => message.length)).toEqual([2, 1, 2]);
  });
});
