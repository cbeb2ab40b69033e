/** The HTTP application: Fastify, built by looping over the route table. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import Fastify, { type FastifyInstance } from 'fastify';
import { defaults } from '../../domain/defaults.ts';
import { limits } from '../../domain/limits.ts';
import type { Timer } from '../../platform/clock.ts';
import { acceptCalls } from './accept-calls.ts';
import { addRoutes } from './add-routes.ts';
import { answerBrokenRequest, answerExpectation } from './broken-request.ts';
import { Calls } from './calls.ts';
import { attemptHandlers } from './handlers/attempts.ts';
import { eventHandlers } from './handlers/events.ts';
import type { AppDeps, Handlers } from './handlers/handler.ts';
import { jobHandlers } from './handlers/jobs.ts';
import { logHandlers } from './handlers/logs.ts';
import { queueHandlers } from './handlers/queues.ts';
import { resultHandlers } from './handlers/results.ts';
import { scheduleHandlers } from './handlers/schedules.ts';
import { systemHandlers } from './handlers/system.ts';
import { togetherHandlers } from './handlers/together.ts';
import { vmHandlers } from './handlers/vms.ts';
import { webhookHandlers } from './handlers/webhooks.ts';
import { workerHandlers } from './handlers/workers.ts';
import { OpenRequests } from './open-requests.ts';
import { sendProblem } from './problem-reply.ts';
import { methodsOf, noRoute } from './route-methods.ts';
import { assertSameSite } from './same-site.ts';
import { type Finding, validationFailure } from './validation.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Its routes, called without HTTP. */
    readonly calls: Calls;
  }
}

/**
 * Builds the application; `listen` it, or call it with `appTransport`. `close` ends waiting polls with
 * SERVER_CLOSING and followed logs without their `end`, and cuts what is still open after
 * `defaults.closeGraceMs`.
 */
export async function buildApp(deps: AppDeps): Promise<FastifyInstance> {
  const app = createServer(deps);
  const open = new OpenRequests();
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'x-request-id': request.id,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    });
    open.assertOpen();
    assertSameSite(request.method, request.headers);
  });
  app.setErrorHandler((error, request, reply) => sendProblem(request, reply, error, deps.log));
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const methods = methodsOf(path);
    if (methods.length > 0) reply.header('allow', methods.join(', '));
    return sendProblem(request, reply, noRoute(request.method, path), deps.log);
  });
  closeInTime(app, open, deps);
  const handlers = handlersOf(deps);
  const compiler = await addRoutes(app, handlers, open);
  const calls = new Calls({ compiler, handlers, open, log: deps.log });
  app.decorate('calls', calls);
  acceptCalls(app, { calls, open, clock: deps.clock });
  return app;
}

function createServer(deps: AppDeps): FastifyInstance {
  const app = Fastify({
    logger: false,
    genReqId: requestIdOf,
    bodyLimit: limits.bodyBytes,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: limits.requestHeadBytes },
    connectionTimeout: defaults.connectionSilenceMs,
    requestTimeout: defaults.requestTimeoutMs,
    keepAliveTimeout: defaults.keepAliveMs,
    http: {
      headersTimeout: defaults.requestHeadTimeoutMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: limits.requestHeadBytes,
      // The check of the host header answers with a problem; Node would only close.
      requireHostHeader: false,
    },
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, request, reply) => sendProblem(request, reply, error, deps.log),
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: false,
        verbose: true,
      },
    },
    schemaErrorFormatter: (findings, part) => validationFailure(findings as Finding[], part),
  });
  app.server.maxConnections = limits.connectionsMax;
  app.server.on('checkExpectation', answerExpectation);
  return app;
}

function handlersOf(deps: AppDeps): Handlers {
  return {
    ...jobHandlers(deps),
    ...togetherHandlers(deps),
    ...queueHandlers(deps),
    ...scheduleHandlers(deps),
    ...workerHandlers(deps),
    ...attemptHandlers(deps),
    ...logHandlers(deps),
    ...resultHandlers(deps),
    ...eventHandlers(deps),
    ...webhookHandlers(deps),
    ...vmHandlers(deps),
    ...systemHandlers(deps),
  };
}

/** A close that waits for nobody longer than the grace time. */
function closeInTime(app: FastifyInstance, open: OpenRequests, { clock }: AppDeps): void {
  let cut: Timer | undefined;
  app.addHook('preClose', async () => {
    open.close();
    cut = clock.after(defaults.closeGraceMs, () => app.server.closeAllConnections());
  });
  app.addHook('onClose', async () => cut?.cancel());
}

/** The id a client gave its request, if it is one that may stand in a log line; else a new one. */
function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{1,64}$/.test(given) ? given : randomUUID();
}
