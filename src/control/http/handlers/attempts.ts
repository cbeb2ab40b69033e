/** Handlers of what a worker says of an attempt it holds. */
import { limits } from '../../../domain/limits.ts';
import type { LogStore } from '../../logs/log-store.ts';
import { badValue } from '../validation.ts';
import type { AppDeps, Handlers } from './handler.ts';

/** Start of an attempt and its log; both FENCED unless the caller holds it. */
export function attemptHandlers({
  workers,
  logs,
}: Pick<AppDeps, 'workers'> & { readonly logs: Pick<LogStore, 'append'> }): Pick<
  Handlers,
  'startAttempt' | 'appendLogs'
> {
  return {
    startAttempt: ({ params, body }) => workers.startAttempt(params.id, params.attempt, body),
    appendLogs: async ({ params, query, body }) => {
      const { id, attempt } = params;
      await workers.assertHolds(id, attempt, { workerId: query.workerId, generation: query.generation });
      const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
      if (query.offset > limits.integerMax - bytes.length)
        throw badValue('offset', query.offset, `a log that ends at ${limits.integerMax} or before`);
      return { endOffset: await logs.append(id, attempt, query.offset, bytes, query.gap) };
    },
  };
}
