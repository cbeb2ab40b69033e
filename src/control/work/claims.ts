/** The claim of a work call: what it writes, and what its worker is told of it. */
import type { WorkRequest } from '../../contract/worker.ts';
import { isBlixardError } from '../../domain/errors.ts';
import type { Database, Result, Statement } from '../../store/database.ts';
import { tellClaimed } from '../../store/statements/claimed.ts';
import { textOrNull } from '../../store/statements/columns.ts';
import { claimShaped } from '../../store/statements/lines.ts';
import { forgetFullRates } from '../../store/statements/rates.ts';
import { claimAmongOthers, claimJobs, claimOfPair } from '../../store/statements/work.ts';
import type { Holder } from '../fence.ts';
import type { ClaimWay } from './known-workers.ts';

/**
 * The last of them gives the jobs. The buckets of keys that a shaped claim fills are taken away again at the rate at
 * which claims make them.
 */
export function claimStatements(
  { workerId, generation }: Holder,
  { token, want }: WorkRequest,
  nowMs: number,
  way: ClaimWay,
): Statement[] {
  const values = { workerId, generation, token, want, nowMs };
  const told = tellClaimed.with(values);
  switch (way) {
    case 'pair':
      return [claimOfPair.with(values), told];
    case 'any':
      return [claimAmongOthers.with(values), claimJobs.with(values), told];
    case 'shaped':
      return [claimShaped.with(values), forgetFullRates.with({ nowMs, limit: 2 * want }), told];
  }
}

/** The specs that no text can hold are 512 MiB; an eighth of them is soon written and read. */
const fewerBy = 8;

/** What a batch with a claim brought, and how many jobs it asked for. */
export interface ClaimBatch {
  readonly results: readonly Result[];
  readonly asked: number;
}

/**
 * Writes the batch that claims up to `want` jobs. The claims of a call are one text, and no text can hold the specs of
 * many large jobs: the store refuses that batch, late, and writes nothing of it, so far fewer are asked for, down to
 * one. Rejects as `Database.batch`.
 */
export async function batchWithClaim(
  db: Database,
  want: number,
  statementsFor: (want: number) => readonly Statement[],
): Promise<ClaimBatch> {
  for (let asked = want; ; asked = Math.ceil(asked / fewerBy)) {
    try {
      return { results: await db.batch(statementsFor(asked)), asked };
    } catch (error) {
      if (asked <= 1 || !isBlixardError(error, 'CONSTRAINT')) throw error;
    }
  }
}

/** The jobs that were claimed, the best first, each with the memory of this attempt. */
export interface Claims {
  readonly ids: readonly string[];
  /** JSON text of a list of `ClaimedJob`. */
  readonly text: string;
}

export const noClaims: Claims = { ids: [], text: '[]' };

/** Of a result that has a row with `claims`, or none. */
export function claimsOf(result: Pick<Result, 'rows'> | undefined): Claims {
  const [row] = result?.rows ?? [];
  const claims = row === undefined ? null : textOrNull(row, 'claims');
  if (claims === null) return noClaims;
  const end = claims.indexOf('\n');
  return { ids: JSON.parse(claims.slice(0, end)) as string[], text: claims.slice(end + 1) };
}
