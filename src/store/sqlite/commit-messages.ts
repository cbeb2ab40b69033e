/** What goes between this thread and the one that commits: each SQL text once, then by its number; rows as tables. */
import { BlixardError, type ErrorCode, type ErrorDetails } from '../../domain/errors.ts';
import type { StatementFacts } from '../check.ts';
import type { SqlValue } from '../database.ts';
import type { Batch, CheckedStatement, Outcome, Written } from './transactions.ts';

/** An SQL text that was not sent before. */
interface NewText {
  readonly number: number;
  readonly sql: string;
  readonly facts: StatementFacts;
}

type SentStatement = readonly [text: number, args: readonly SqlValue[]];

/** A group to commit. */
export interface SentGroup {
  readonly texts: readonly NewText[];
  readonly batches: readonly (readonly SentStatement[])[];
}

/** An error as it goes from one thread to another. */
export interface SentError {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
}

type SentOutcome = readonly Written[] | SentError;

/** What the thread says: it is ready, a group is committed, or why it failed; or a note for the log. */
export type ThreadSays =
  | { readonly says: 'ready' }
  | { readonly says: 'committed'; readonly outcomes: readonly SentOutcome[]; readonly tookMs: number }
  | { readonly says: 'failed'; readonly error: SentError }
  | {
      readonly says: 'note';
      readonly level: 'debug' | 'warn';
      readonly text: string;
      readonly problem: string;
    }
  | { readonly says: 'closed' };

/** What the thread is told: a group, or to close the file. */
export type ThreadIsTold = SentGroup | 'close';

/** Writes groups down for the thread. */
export class GroupWriter {
  readonly #numbers = new Map<string, number>();
  readonly #max: number;

  /** `max`: so many texts are known by a number, then all are sent anew. */
  constructor(max: number) {
    this.#max = max;
  }

  write(group: readonly Batch[]): SentGroup {
    if (this.#numbers.size > this.#max) this.#numbers.clear();
    const texts: NewText[] = [];
    const batches = group.map((batch) =>
      batch.map(({ statement: { sql, args = [] }, facts }): SentStatement => {
        let number = this.#numbers.get(sql);
        if (number === undefined) {
          number = this.#numbers.size;
          this.#numbers.set(sql, number);
          texts.push({ number, sql, facts });
        }
        return [number, args];
      }),
    );
    return { texts, batches };
  }
}

/** Reads them in the thread. */
export class GroupReader {
  readonly #texts: NewText[] = [];

  read({ texts, batches }: SentGroup): Batch[] {
    for (const text of texts) this.#texts[text.number] = text;
    return batches.map((batch) => batch.map(([number, args]) => this.#statement(number, args)));
  }

  #statement(number: number, args: readonly SqlValue[]): CheckedStatement {
    const text = this.#texts[number];
    if (text === undefined)
      throw new BlixardError('INTERNAL', { problem: `statement ${number} was never sent` });
    return { statement: { sql: text.sql, args }, facts: text.facts };
  }
}

/** An error for the other thread. */
export function sentError({ code, details }: BlixardError): SentError {
  return { code, details };
}

/** The error that came from the other thread. */
export function errorOf({ code, details }: SentError): BlixardError {
  return new BlixardError(code, details);
}

/** What became of the batches of a group, for the other thread. */
export function sentOutcomes(outcomes: readonly Outcome[]): SentOutcome[] {
  return outcomes.map((outcome) => (outcome instanceof BlixardError ? sentError(outcome) : outcome));
}

/** The same as it came from the other thread. */
export function outcomesOf(sent: readonly SentOutcome[]): Outcome[] {
  return sent.map((outcome) => ('code' in outcome ? errorOf(outcome) : outcome));
}
