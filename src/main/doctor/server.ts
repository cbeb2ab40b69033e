/** Checks whether a control node answers where the configuration says. */
import { BlixardClient, httpTransport } from '../../client/index.ts';
import { isBlixardError } from '../../domain/errors.ts';
import { type Check, fail, ok, warn } from './check.ts';

const answerMs = 3_000;

const noWorker =
  'Jobs wait: blixard worker starts one, and one that is draining (blixard worker ls) takes jobs once started again.';

/** A control node answers and is ready. */
export const serverCheck: Check = {
  name: 'server',
  async look({ config: { server: url } }) {
    const client = new BlixardClient({ transport: httpTransport({ url }) });
    try {
      const health = await client.call('getHealth', { timeoutMs: answerMs });
      const ready = await client.call('getReady', { timeoutMs: answerMs });
      const { workersOnline } = await client.call('getStats', { timeoutMs: answerMs });
      const text = `${url} answers: version ${health.version}, ${ready.status}, workers online: ${workersOnline}`;
      if (ready.status !== 'ready') return fail(`${text}: ${ready.store}`, 'See its log.');
      return workersOnline > 0 ? ok(text) : warn(text, noWorker);
    } catch (error) {
      if (isBlixardError(error, 'SERVER_UNREACHABLE')) {
        return warn(`nothing answers at ${url}`, 'blixard up starts one on this machine.');
      }
      throw error;
    } finally {
      await client.close();
    }
  },
};
