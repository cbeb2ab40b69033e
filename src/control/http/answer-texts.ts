/** Answers of calls as texts: each with a bound, and as many in one message as a bound allows. */
import type { AnswerFrame } from '../../contract/calls.ts';
import { BlixardError } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { jsonTextOf } from '../json-text.ts';

/** The text of an answer. Throws INTERNAL past the bound, and what JSON throws, such as a RangeError. */
export function answerText({ id, status, body }: AnswerFrame): string {
  const text = `{"id":${id},"status":${status},"body":${jsonTextOf(body)}}`;
  if (text.length <= limits.answerLength) return text;
  throw new BlixardError('INTERNAL', {
    problem: `an answer of ${text.length} characters, at most ${limits.answerLength} can be told`,
  });
}

/** Messages with these answers in their order; one that is longer than a message should be goes alone. */
export function messagesOf(answers: readonly string[]): string[] {
  const messages: string[] = [];
  let together: string[] = [];
  let length = 0;
  for (const answer of answers) {
    if (together.length > 0 && length + answer.length > limits.messageLength) {
      messages.push(`[${together.join(',')}]`);
      together = [];
      length = 0;
    }
    together.push(answer);
    length += answer.length;
  }
  if (together.length > 0) messages.push(`[${together.join(',')}]`);
  return messages;
}
