/** Handlers of health, totals and the description of the interface. */
import { openapiDocument } from '../../../contract/openapi.ts';
import type { AppDeps, Handlers } from './handler.ts';

type SystemRoutes = 'getStats' | 'getHealth' | 'getReady' | 'getOpenapi';

/** What is asked of the process itself. */
export function systemHandlers({ queries, version }: AppDeps): Pick<Handlers, SystemRoutes> {
  const openApi = openapiDocument(version);
  return {
    getStats: () => queries.stats(),
    getHealth: async () => ({ status: 'ok', version }),
    getReady: async () => {
      await queries.ready();
      return { status: 'ready', store: 'ok' };
    },
    getOpenapi: async () => openApi,
  };
}
