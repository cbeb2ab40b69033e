/**
 * Turns what the validator found into VALIDATION_FAILED with the field, the value, and what is allowed
 * there.
 */
import { BlixardError, isBlixardError } from '../../domain/errors.ts';
import { nearest } from '../../domain/nearest.ts';
import { allowedBy, allowedNames, type SchemaWords } from './allowed.ts';

/** An error of Ajv with `verbose` on. */
export interface Finding {
  readonly keyword: string;
  /** JSON pointer to the value. */
  readonly instancePath: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly data?: unknown;
  readonly parentSchema?: SchemaWords;
}

interface Complaint {
  readonly field: string;
  readonly value: string | null;
  readonly allowed: string;
  readonly problem: string;
}

/** Unknown fields among which a missing one is looked for. */
const unknownCompared = 20;

/** Longest part of a value that an error repeats, in characters. */
const shownCharacters = 80;

/** `part` is named when the whole of it is wrong: `body`, `querystring`, `params`. */
export function validationFailure(findings: readonly Finding[], part: string): BlixardError {
  const finding = mostTelling(findings);
  if (finding === undefined)
    return new BlixardError('VALIDATION_FAILED', { field: part, problem: 'not valid' });
  return new BlixardError('VALIDATION_FAILED', { ...complaintOf(finding, part) });
}

/** A problem with a value the schema cannot express. */
export function badValue(field: string, value: unknown, allowed: string): BlixardError {
  return new BlixardError('VALIDATION_FAILED', { ...misfit(field, shorten(value), allowed) });
}

/** What is thrown for a value that stands in a field of another; its field is told from there on. */
export function within(field: string, error: unknown): unknown {
  if (!isBlixardError(error, 'VALIDATION_FAILED')) return error;
  const details = { ...error.details, field: `${field}.${error.details['field']}` };
  return new BlixardError('VALIDATION_FAILED', details, { cause: error });
}

/** A list that is too long to be looked at. */
export function tooMany(field: string, count: number, max: number): BlixardError {
  return new BlixardError('VALIDATION_FAILED', {
    ...misfit(field, `${count} entries`, `a list of 1 to ${max} entries`),
  });
}

/** For a choice (a value or null) Ajv lists what each branch says; that it is not null helps nobody. */
function mostTelling(findings: readonly Finding[]): Finding | undefined {
  const helps = (finding: Finding): boolean =>
    finding.keyword !== 'anyOf' && finding.params['type'] !== 'null';
  return findings.find(helps) ?? findings[0];
}

function complaintOf(finding: Finding, part: string): Complaint {
  const schema = finding.parentSchema ?? {};
  const whole = finding.instancePath.split('/').slice(1).map(unescapePointer);
  // Several values of a query are written as one, without places.
  const path = part === 'querystring' ? whole.slice(0, 1) : whole;
  const fieldAt = (...more: string[]): string => [...path, ...more].join('.') || part;
  switch (finding.keyword) {
    case 'required': {
      const name = String(finding.params['missingProperty']);
      const allowed = allowedBy(schema.properties?.[name] ?? {});
      const problem = `is required: ${allowed}${misspelt(name, finding)}`;
      return { field: fieldAt(name), value: null, allowed, problem };
    }
    case 'additionalProperties':
      return unknownField(finding, schema, fieldAt);
    case 'minItems':
    case 'maxItems':
    case 'maxProperties':
      return misfit(fieldAt(), `${sizeOf(finding.data)} entries`, allowedBy(schema));
    case 'maxLength':
      return misfit(
        fieldAt(),
        `${shorten(finding.data)} (${String(finding.data).length} characters)`,
        allowedBy(schema),
      );
    default:
      return misfit(fieldAt(), schema.writeOnly ? 'not shown' : shorten(finding.data), allowedBy(schema));
  }
}

/** Which unknown field stands in the place of a missing one, or at least beside it; nothing when there is none. */
function misspelt(missing: string, { data, parentSchema }: Finding): string {
  if (parentSchema?.additionalProperties !== false) return '';
  const known = Object.keys(parentSchema.properties ?? {});
  const unknown: string[] = [];
  for (const name of Object.keys(data ?? {})) {
    if (!known.includes(name)) unknown.push(cut(name));
    if (unknown.length === unknownCompared) break;
  }
  const meant = nearest(missing, unknown);
  const [name = meant] = meant === undefined ? unknown : [meant];
  if (name === undefined) return '';
  const guess = nearest(name, known);
  return `; ${name}: no such field${guess === undefined ? '' : `, did you mean ${guess}?`}`;
}

function unknownField(finding: Finding, schema: SchemaWords, fieldAt: (name: string) => string): Complaint {
  const typed = String(finding.params['additionalProperty']);
  const allowed = allowedNames(schema);
  const meant = nearest(cut(typed), Object.keys(schema.properties ?? {}));
  const guess = meant === undefined ? '' : ` did you mean ${meant}?`;
  const value = (finding.data as Record<string, unknown> | undefined)?.[typed];
  return {
    field: fieldAt(cut(typed)),
    value: shorten(value),
    allowed,
    problem:
      schema.properties === undefined
        ? `not a name allowed here: ${allowed}`
        : `no such field;${guess} ${allowed}`,
  };
}

function misfit(field: string, value: string, allowed: string): Complaint {
  return { field, value, allowed, problem: `is ${value}; allowed: ${allowed}` };
}

/** A value as JSON text, or the beginning of it. */
export function shorten(value: unknown): string {
  // JSON has no word for the Infinity that 1e999 is read as.
  return cut(typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? 'nothing'));
}

function cut(text: string): string {
  return text.length <= shownCharacters ? text : `${text.slice(0, shownCharacters)}…`;
}

function sizeOf(value: unknown): number {
  return Array.isArray(value) ? value.length : Object.keys(value ?? {}).length;
}

function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}
