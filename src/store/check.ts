/** Refuses, on every store, the SQL and the arguments that would break or diverge on another (rqlite above all). */
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { BoundedCache } from './bounded-cache.ts';
import type { SqlValue, Statement } from './database.ts';
import { bareSql, countPlaceholders, hasUnorderedLimit, isOneStatement } from './sql-text.ts';

/** `read` gives rows and writes nothing; `write` changes rows; `schema` changes tables. */
type StatementKind = 'read' | 'write' | 'schema';

/** What the drivers need to know of a statement they run. */
export interface StatementFacts {
  readonly kind: StatementKind;
  /** True for a read, and for a write with RETURNING. */
  readonly givesRows: boolean;
}

interface CheckedSql extends StatementFacts {
  readonly placeholders: number;
  /** Why this text is refused, or undefined when it is fine. */
  readonly problem: string | undefined;
}

const quote = 0x27;
const blank = 0x20;
/** White space of other scripts is beyond. */
const ascii = 0x7f;

const kindOfVerb = new Map<string, StatementKind>([
  ['select', 'read'],
  ['values', 'read'],
  ['explain', 'read'],
  ['insert', 'write'],
  ['replace', 'write'],
  ['update', 'write'],
  ['delete', 'write'],
  ['create', 'schema'],
  ['alter', 'schema'],
  ['drop', 'schema'],
]);

/** Each pattern is matched against SQL without comments, literals and quoted names. */
const refusals: readonly (readonly [RegExp, string])[] = [
  [/\b(random|randomblob)\s*\(/i, 'a random value must come as an argument'],
  [
    /\b(date|time|datetime|julianday|unixepoch|strftime|timediff)\s*\(|\bcurrent_(time|date|timestamp)\b/i,
    'a time must come as an argument',
  ],
  [
    /\b(changes|total_changes|last_insert_rowid)\s*\(/i,
    'what an earlier request left behind differs between replicas',
  ],
  [/\breturning\b(?! )/i, 'RETURNING must be followed by a space: rqlite finds it as text'],
  [/\bis\s+(not\s+)?distinct\s+from\b/i, 'IS DISTINCT FROM is unknown to rqlite; use IS or IS NOT'],
  [/\?\d|[:@$][a-z_]/i, 'only plain ? parameters are allowed'],
  [/\b(or|on\s+conflict|raise\s*\()\s*(rollback|fail)\b/i, 'ROLLBACK and FAIL would break the batch apart'],
  [/^\s*create\s+temp(orary)?\b/i, 'a temporary table lives in one connection only'],
  [/\bx''/i, 'bytes belong into files, not into the store'],
];

/**
 * Passes a statement that every store runs alike; throws CONSTRAINT for SQL or an argument that is a mistake of
 * the program, VALIDATION_FAILED for a text that no store gives back as it was.
 */
export function checkStatement(statement: Statement): void {
  assertFine(statement, checkText(statement.sql));
}

/** The same check for a driver, which sees the same SQL again and again and reads each text once. */
export class StatementCheck {
  readonly #texts = new BoundedCache<CheckedSql>({ max: limits.checkedTexts, make: checkText });

  /** What the statement of a batch is. A read is refused: rqlite runs it and drops its rows. */
  inspectWrite(statement: Statement): StatementFacts {
    const facts = this.#inspect(statement);
    if (facts.kind === 'read') refuse(statement.sql, 'a read belongs into query');
    return facts;
  }

  /** What the statement of a query is. A write is refused. */
  inspectRead(statement: Statement): StatementFacts {
    const facts = this.#inspect(statement);
    if (facts.kind !== 'read') refuse(statement.sql, 'a write belongs into batch');
    return facts;
  }

  #inspect(statement: Statement): StatementFacts {
    const checked = this.#texts.get(statement.sql);
    assertFine(statement, checked);
    return checked;
  }
}

function assertFine(statement: Statement, checked: CheckedSql): void {
  const { sql, args = [] } = statement;
  if (checked.problem !== undefined) refuse(sql, checked.problem);
  if (args.length !== checked.placeholders)
    refuse(sql, `${checked.placeholders} parameters, but ${args.length} arguments`);
  // By index, because this runs for every argument of every statement.
  for (let index = 0; index < args.length; index++) checkValue(sql, index, args[index]);
}

function checkText(sql: string): CheckedSql {
  const bare = bareSql(sql);
  const kind = kindOf(bare);
  return {
    kind: kind ?? 'read',
    givesRows: kind === 'read' || /\breturning\b/i.test(bare),
    placeholders: countPlaceholders(bare),
    problem: kind === undefined ? 'this verb is not allowed' : problemOfText(bare),
  };
}

function problemOfText(bare: string): string | undefined {
  if (!isOneStatement(bare)) return 'more than one statement';
  if (hasUnorderedLimit(bare))
    return 'LIMIT needs an ORDER BY beside it: without, replicas pick different rows';
  return refusals.find(([pattern]) => pattern.test(bare))?.[1];
}

function kindOf(bare: string): StatementKind | undefined {
  const verb = /^\s*(\w+)/.exec(bare)?.[1]?.toLowerCase() ?? '';
  if (verb !== 'with') return kindOfVerb.get(verb);
  return /\b(insert|update|delete|replace\s+into)\b/i.test(bare) ? 'write' : 'read';
}

function checkValue(sql: string, index: number, value: SqlValue | undefined): void {
  if (typeof value === 'string') checkString(index, value);
  else if (typeof value === 'number') checkNumber(sql, index, value);
  else if (value !== null) refuse(sql, `argument ${index} is a ${typeof value}`);
}

function checkNumber(sql: string, index: number, value: number): void {
  if (!Number.isFinite(value)) refuse(sql, `argument ${index} is ${value}`);
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    refuse(sql, `argument ${index} is ${value}: integers must stay within 2^53`);
}

/** A text that would come back changed is refused: better no data than other data. */
function checkString(index: number, value: string): void {
  if (value.includes('\0')) refuseText(index, 'text without NUL');
  if (!isWellFormed(value)) refuseText(index, 'text without half a surrogate pair');
  if (endsLikeBytes(value) && /^\s*x'(?:[0-9a-f]{2})*'\s*$/i.test(value))
    refuseText(index, "text of another form than x'00ff', which rqlite stores as bytes");
}

/** What is stored may be a secret. */
function refuseText(index: number, allowed: string): never {
  const shown = { field: `argument ${index}`, value: 'not shown', allowed };
  throw new BlixardError('VALIDATION_FAILED', { ...shown, problem: `must be ${allowed}` });
}

/** Text in the form of bytes ends in a quote or white space, which spares nearly every text the pattern. */
function endsLikeBytes(value: string): boolean {
  const last = value.charCodeAt(value.length - 1);
  return last === quote || last <= blank || last > ascii;
}

/** The types of this Node's language level do not know the method, which is many times faster than a pattern. */
function isWellFormed(value: string): boolean {
  return (value as string & { isWellFormed(): boolean }).isWellFormed();
}

function refuse(sql: string, problem: string): never {
  const start = sql.trim().slice(0, 60);
  throw new BlixardError('CONSTRAINT', { problem: `${problem}: ${start}` });
}
