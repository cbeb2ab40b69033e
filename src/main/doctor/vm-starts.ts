/** Checks whether some worker does not start VMs for now, because the last ones failed. */
import { BlixardClient, httpTransport } from '../../client/index.ts';
import { isBlixardError } from '../../domain/errors.ts';
import { type Check, ok, warn } from './check.ts';

const answerMs = 3_000;

/** Asked of the control node, which hears it from the workers. */
export const vmStartsCheck: Check = {
  name: 'VM starts',
  async look({ config: { server: url } }) {
    const client = new BlixardClient({ transport: httpTransport({ url }) });
    try {
      const { stopped } = await client.call('getVmStats', { timeoutMs: answerMs });
      const [first] = stopped;
      if (first === undefined) return ok('no worker tells of VMs that do not start');
      const what = first.image ?? 'all images';
      const others = stopped.length > 1 ? ` (and ${stopped.length - 1} more)` : '';
      return warn(
        `worker ${first.workerName} does not start VMs of ${what} for now: ${first.why}${others}`,
        'blixard vm stats lists them; build the image anew, or mend what it names.',
      );
    } catch (error) {
      if (isBlixardError(error, 'SERVER_UNREACHABLE')) return ok('not asked: no server answers');
      throw error;
    } finally {
      await client.close();
    }
  },
};
