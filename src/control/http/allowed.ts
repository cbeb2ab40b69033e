/** What a schema allows, in words a user can act on. */
import { base64Pattern, envNamePattern, imagePattern, namePattern, pathPattern } from '../../contract/job.ts';
import { weightNamePattern } from '../../contract/queue.ts';
import { sha256Pattern } from '../../contract/result.ts';
import { textPattern } from '../../contract/schema.ts';
import {
  idempotencyKeyPattern,
  labelNamePattern,
  labelPattern,
  tenantPattern,
} from '../../contract/submit-options.ts';
import { artifactNamePattern } from '../../domain/artifact-name.ts';
import { uuidPattern } from '../../domain/ids.ts';

/** The keywords of JSON Schema that the contract uses. */
export interface SchemaWords {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly SchemaWords[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, SchemaWords>>;
  readonly patternProperties?: Readonly<Record<string, SchemaWords>>;
  readonly additionalProperties?: unknown;
  readonly description?: string;
  /** A secret: it is taken, and never told. */
  readonly writeOnly?: boolean;
}

const patternWords: Readonly<Record<string, string>> = {
  [textPattern]: 'text without NUL and lone surrogates',
  [pathPattern]: 'an absolute path without NUL',
  [envNamePattern]: 'a name of letters, digits and _ that starts with no digit, at most 128 characters',
  [base64Pattern]: 'base64 text',
  [namePattern]: 'a name of lower-case letters, digits, . _ and -, at most 64 characters',
  [imagePattern]: 'name or name:tag, lower-case letters, digits, . _ and -',
  [labelNamePattern]: 'a name of letters, digits, . _ / and -, at most 64 characters',
  [labelPattern]: 'name=value',
  [tenantPattern]: 'a name of letters, digits, . _ @ and -, at most 64 characters',
  [idempotencyKeyPattern]: 'visible ASCII characters, at most 255',
  [weightNamePattern]: 'a tenant or a concurrency key, at most 128 characters',
  [artifactNamePattern]: 'a relative path without . and .. and control characters',
  [sha256Pattern]: '64 hexadecimal digits in lower case',
  [uuidPattern]: 'a UUID version 7 in lower case',
};

/**
 * For example `an integer from 1 to 86400000`, `one of: fixed, exponential`, `a list of 1 to 1000 entries`.
 */
export function allowedBy(schema: SchemaWords): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(allowedBy).join(' or ');
  if (schema.enum !== undefined) return `one of: ${schema.enum.join(', ')}`;
  switch (schema.type) {
    case 'integer':
      return `an integer${range(schema.minimum, schema.maximum)}`;
    case 'number':
      return `a number${range(schema.minimum, schema.maximum)}`;
    case 'string':
      return text(schema);
    case 'boolean':
      return 'true or false';
    case 'array':
      return `a list${count(schema.minItems, schema.maxItems)}`;
    case 'object':
      return object(schema);
    default:
      return schema.type ?? 'anything';
  }
}

/** What names the fields of this object may have. */
export function allowedNames(schema: SchemaWords): string {
  const names = Object.keys(schema.properties ?? {});
  if (names.length > 0) return `fields: ${names.join(', ')}`;
  const patterns = Object.keys(schema.patternProperties ?? {});
  return patterns.length === 0 ? 'no fields' : patterns.map((pattern) => wordsOf(pattern)).join(' or ');
}

function text(schema: SchemaWords): string {
  const words = schema.pattern === undefined ? 'text' : wordsOf(schema.pattern, schema.description);
  const needed = (schema.minLength ?? 0) > 0 ? ', not empty' : '';
  return schema.maxLength === undefined ? words : `${words}${needed}, at most ${schema.maxLength} characters`;
}

function wordsOf(pattern: string, description?: string): string {
  return patternWords[pattern] ?? `${description ?? 'text'}, matching ${pattern}`;
}

function object(schema: SchemaWords): string {
  if (schema.maxProperties !== undefined) return `an object of at most ${schema.maxProperties} entries`;
  return `an object with ${allowedNames(schema)}`;
}

function range(minimum: number | undefined, maximum: number | undefined): string {
  const from = minimum === undefined ? '' : ` from ${minimum}`;
  return maximum === undefined ? from : `${from} to ${maximum}`;
}

function count(minItems: number | undefined, maxItems: number | undefined): string {
  return maxItems === undefined ? '' : ` of ${minItems ?? 0} to ${maxItems} entries`;
}
