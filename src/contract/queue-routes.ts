/** The rows of the route table that are about queues, and about forgetting jobs. */
import { limits } from '../domain/limits.ts';
import { JobId, namePattern } from './job.ts';
import {
  Purge,
  Purged,
  Queue,
  QueuePage,
  QueueStats,
  Redrive,
  Redriven,
  SetQueue,
  SwitchedQueue,
} from './queue.ts';
import type { Route } from './routes.ts';
import { cursor, strict } from './schema.ts';
import { idempotencyHeaders } from './submit-options.ts';
import { Type } from './typebox.ts';

const QueueName = Type.String({ pattern: namePattern });
const queueParams = strict({ name: QueueName });

export const queueRoutes = {
  listQueues: {
    method: 'GET',
    path: '/v1/queues',
    summary: 'Every queue that has settings or jobs, by name.',
    query: strict({
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.pageMax })),
      cursor,
    }),
    status: 200,
    reply: QueuePage,
    errors: ['VALIDATION_FAILED', 'STORE_UNAVAILABLE'],
  },
  getQueue: {
    method: 'GET',
    path: '/v1/queues/{name}',
    summary: 'One queue: its settings, and its jobs per state.',
    params: queueParams,
    status: 200,
    reply: Queue,
    errors: ['QUEUE_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
  setQueue: {
    method: 'PUT',
    path: '/v1/queues/{name}',
    summary: 'Set a queue: limits of concurrency, and how long ended jobs are kept.',
    params: queueParams,
    body: SetQueue,
    status: 200,
    reply: Queue,
    errors: ['VALIDATION_FAILED', 'STORE_UNAVAILABLE'],
  },
  deleteQueue: {
    method: 'DELETE',
    path: '/v1/queues/{name}',
    summary:
      'Remove the settings of a queue that is not in use; its ended jobs stay as long as those of any queue.',
    params: queueParams,
    status: 200,
    reply: Queue,
    errors: ['QUEUE_NOT_FOUND', 'QUEUE_IN_USE', 'STORE_UNAVAILABLE'],
  },
  pauseQueue: {
    method: 'POST',
    path: '/v1/queues/{name}/pause',
    summary: 'Start no more jobs of this queue until it is resumed; those that run go on.',
    params: queueParams,
    status: 200,
    reply: SwitchedQueue,
    errors: ['STORE_UNAVAILABLE'],
  },
  resumeQueue: {
    method: 'POST',
    path: '/v1/queues/{name}/resume',
    summary: 'Let a paused queue go on.',
    params: queueParams,
    status: 200,
    reply: SwitchedQueue,
    errors: ['STORE_UNAVAILABLE'],
  },
  getQueueStats: {
    method: 'GET',
    path: '/v1/queues/{name}/stats',
    summary: 'How a queue is doing.',
    params: queueParams,
    status: 200,
    reply: QueueStats,
    errors: ['QUEUE_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
  redriveQueue: {
    method: 'POST',
    path: '/v1/queues/{name}/redrive',
    summary: 'Run failed jobs of a queue again, the oldest first, with all their attempts allowed anew.',
    params: queueParams,
    headers: idempotencyHeaders(
      'beside ids only; the same key puts none of them back twice, until a retry or redrive with another key',
    ),
    body: Redrive,
    status: 200,
    reply: Redriven,
    errors: ['VALIDATION_FAILED', 'QUEUE_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
  purgeQueue: {
    method: 'POST',
    path: '/v1/queues/{name}/purge',
    summary: 'Forget ended jobs of a queue, the longest ended first, with their attempts and logs.',
    params: queueParams,
    body: Purge,
    status: 200,
    reply: Purged,
    errors: ['VALIDATION_FAILED', 'QUEUE_NOT_FOUND', 'STORE_UNAVAILABLE'],
  },
  removeJob: {
    method: 'DELETE',
    path: '/v1/jobs/{id}',
    summary: 'Forget a job that has ended, with its attempts and logs.',
    params: strict({
      id: Type.String({ pattern: '^[0-9a-f-]{4,36}$', description: 'job id or a unique start of one' }),
    }),
    status: 200,
    reply: strict({ id: JobId }),
    errors: ['JOB_NOT_FOUND', 'JOB_ID_AMBIGUOUS', 'JOB_NOT_ENDED', 'STORE_UNAVAILABLE'],
  },
} as const satisfies Record<string, Route>;
