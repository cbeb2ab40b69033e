/** Tells whether two submits ask for the same, where the spec of the first was not kept. */
import { createHash } from 'node:crypto';
import type { JobSpec } from '../../contract/job.ts';

/** SHA-256 of a spec, in base64url; how the names in it are ordered makes no difference. */
export function specDigest(spec: JobSpec): string {
  return createHash('sha256').update(JSON.stringify(spec, inOrder)).digest('base64url');
}

function inOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
