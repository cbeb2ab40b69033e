/** The claim of a work call: what it writes, and what its worker is told of it. */
import type { WorkRequest } from '../../contract/worker.ts';
import type { Result, Statement } from '../../store/database.ts';
import { tellClaimed } from '../../store/statements/claimed.ts';
import { textOrNull } from '../../store/statements/columns.ts';
import { claimShaped } from '../../store/statements/lines.ts';
import { forgetFullRates } from '../../store/statements/rates.ts';
import { claimAmongOthers, claimJobs, claimOfPair } from '../../store/statements/work.ts';
import type { Holder } from '../fence.ts';

/**
 * The last of them gives the jobs. The buckets of keys that a shaped claim fills are taken away again at the rate at
 * which claims make them.
 */
export function claimStatements(
  { workerId, generation }: Holder,
  { token, want }: WorkRequest,
  nowMs: number,
  shaped: boolean,
): Statement[] {
  const values = { workerId, generation, token, want, nowMs };
  return [
    ...(shaped
      ? [claimShaped.with(values), forgetFullRates.with({ nowMs, limit: 2 * want })]
      : [claimAmongOthers, claimOfPair, claimJobs].map((claim) => claim.with(values))),
    tellClaimed.with(values),
  ];
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
