/** The claim of a work call: what it writes, and what its worker is told of it. */
import type { JobSpec } from '../../contract/job.ts';
import type { ClaimedJob, WorkRequest } from '../../contract/worker.ts';
import type { Result, Statement } from '../../store/database.ts';
import { tellClaimed } from '../../store/statements/claimed.ts';
import { jsonOrNull } from '../../store/statements/columns.ts';
import { claimShaped } from '../../store/statements/lines.ts';
import { forgetFullRates } from '../../store/statements/rates.ts';
import { claimAmongOthers, claimJobs } from '../../store/statements/work.ts';
import type { Holder } from '../fence.ts';

/** A row of `claims`. */
type Claim = [jobId: string, attempt: number, memoryMiB: number | null, spec: JobSpec];

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
      : [claimAmongOthers.with(values), claimJobs.with(values)]),
    tellClaimed.with(values),
  ];
}

/** The jobs that were claimed, the best first, each with the memory of this attempt. */
export function claimedJobsOf(result: Pick<Result, 'rows'> | undefined): ClaimedJob[] {
  const [row] = result?.rows ?? [];
  const claims = row === undefined ? null : jsonOrNull<Claim[]>(row, 'claims');
  return (claims ?? []).map(([jobId, attempt, memoryMiB, spec]) => {
    // The spec is this answer's own, fresh from its text.
    if (memoryMiB !== null) spec.memoryMiB = memoryMiB;
    return { jobId, attempt, spec };
  });
}
