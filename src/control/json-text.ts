/** Answers as JSON: one whose text was made for the store already need not be made into text again. */

/** An answer that knows its text. */
export abstract class KnownText {
  /** What `JSON.stringify` would give. */
  abstract jsonText(): string;
}

/** The text of an answer. */
export function jsonTextOf(answer: unknown): string {
  return answer instanceof KnownText ? answer.jsonText() : JSON.stringify(answer);
}
