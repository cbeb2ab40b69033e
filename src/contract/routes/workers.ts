/** The rows of the route table with which a worker tells what has changed on its host. */
import { workerParams } from '../route-params.ts';
import type { Route } from '../routes.ts';
import { strict } from '../schema.ts';
import { TellImages } from '../worker.ts';

export const workerTellRoutes = {
  tellImages: {
    method: 'PUT',
    path: '/v1/workers/{id}/images',
    summary: 'The images of the host of a worker are these now.',
    params: workerParams,
    body: TellImages,
    status: 200,
    reply: strict({}),
    errors: ['VALIDATION_FAILED', 'WORKER_NOT_FOUND', 'FENCED', 'STORE_UNAVAILABLE'],
  },
} as const satisfies Record<string, Route>;
