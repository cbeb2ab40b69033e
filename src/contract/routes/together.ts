/** The rows of the route table about jobs that run after others, and about groups. */
import { limits } from '../../domain/limits.ts';
import { JobPage } from '../job.ts';
import { cancelBody, jobParams } from '../route-params.ts';
import type { Route } from '../routes.ts';
import { cursor, pageSize, strict } from '../schema.ts';
import { Group, GroupCancelled, GroupPage, groupPattern } from '../together.ts';
import { Type } from '../typebox.ts';

const GroupName = Type.String({ pattern: groupPattern });
const groupParams = strict({ name: GroupName });

export const togetherRoutes = {
  listChildren: {
    method: 'GET',
    path: '/v1/jobs/{id}/children',
    summary:
      'The jobs that run after this one, oldest first. A page of large specs may be short and still have a nextCursor.',
    params: jobParams,
    query: strict({ limit: pageSize, cursor }),
    status: 200,
    reply: JobPage,
    errors: ['JOB_NOT_FOUND', 'JOB_ID_AMBIGUOUS', 'STORE_UNAVAILABLE'],
  },
  listGroups: {
    method: 'GET',
    path: '/v1/groups',
    summary: 'Every group that has jobs, by name.',
    query: strict({ limit: pageSize, cursor }),
    status: 200,
    reply: GroupPage,
    errors: ['VALIDATION_FAILED', 'STORE_UNAVAILABLE'],
  },
  getGroup: {
    method: 'GET',
    path: '/v1/groups/{name}',
    summary:
      'One group, its jobs per state; with waitMs the answer comes when all of them have ended, or when that time is ' +
      'over.',
    params: groupParams,
    query: strict({ waitMs: Type.Optional(Type.Integer({ minimum: 0, maximum: limits.waitMsMax })) }),
    status: 200,
    reply: Group,
    errors: ['GROUP_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
  cancelGroup: {
    method: 'POST',
    path: '/v1/groups/{name}/cancel',
    summary: `Cancel the jobs of a group that have not ended, ${limits.jobsPerStep} in one call, the oldest first.`,
    params: groupParams,
    body: cancelBody,
    status: 200,
    reply: GroupCancelled,
    errors: ['GROUP_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
} as const satisfies Record<string, Route>;
