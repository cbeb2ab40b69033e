/** Handlers of children and groups. */
import type { AppDeps, Handlers } from './handler.ts';

type TogetherRoutes = 'listChildren' | 'listGroups' | 'getGroup' | 'cancelGroup';

/** Commands and queries of jobs that belong together. */
export function togetherHandlers({
  groups,
  queries,
}: Pick<AppDeps, 'groups' | 'queries'>): Pick<Handlers, TogetherRoutes> {
  return {
    listChildren: ({ params, query }) => queries.children(params.id, query),
    listGroups: ({ query }) => groups.list(query),
    getGroup: ({ params, query, signal }) => groups.waitFinished(params.name, query.waitMs ?? 0, signal),
    cancelGroup: ({ params, body }) => groups.cancel(params.name, body.reason, body.by),
  };
}
