/** Guards a schedule against a set that would change, unsaid, what runs its jobs. */
import type { BlixardClient } from '../../../client/index.ts';
import type { Schedule, SetSchedule } from '../../../contract/schedule.ts';
import { defaults } from '../../../domain/defaults.ts';
import { BlixardError, isBlixardError } from '../../../domain/errors.ts';
import { limits } from '../../../domain/limits.ts';

/**
 * Sets the schedule. A body that names no executor is only taken for a schedule whose jobs have the default one, or
 * that is new: else it throws USAGE. Rejects as `setSchedule` does.
 */
export async function setKeepingExecutor(
  client: BlixardClient,
  name: string,
  body: SetSchedule,
): Promise<Schedule> {
  const params = { name };
  if (body.job.executor !== undefined) return await client.call('setSchedule', { params, body });
  for (let round = 1; ; round++) {
    const current = await find(client, name);
    assertDefault(current);
    try {
      // Nobody else may have changed it in between.
      const guarded = { version: current?.version ?? 0, ...body };
      return await client.call('setSchedule', { params, body: guarded });
    } catch (error) {
      const again = isBlixardError(error, 'SCHEDULE_CHANGED') && body.version === undefined;
      if (!again || round === limits.scheduleRounds) throw error;
    }
  }
}

async function find(client: BlixardClient, name: string): Promise<Schedule | undefined> {
  try {
    return await client.call('getSchedule', { params: { name } });
  } catch (error) {
    if (isBlixardError(error, 'SCHEDULE_NOT_FOUND')) return undefined;
    throw error;
  }
}

function assertDefault(current: Schedule | undefined): void {
  const executor = current?.job.executor ?? defaults.executor;
  if (current === undefined || executor === defaults.executor) return;
  const ways = `--executor ${executor} keeps it, --executor ${defaults.executor} changes it`;
  throw new BlixardError('USAGE', {
    problem: `schedule ${current.name} has jobs of executor ${executor}, and this set names none: ${ways}`,
  });
}
