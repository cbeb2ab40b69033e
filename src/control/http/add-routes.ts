/** Puts the route table into Fastify: paths, schemas, and the way from a request to its handler and back. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  type BodyOf,
  type HeadersOf,
  type ParamsOf,
  type QueryOf,
  type Route,
  type RouteName,
  routes,
} from '../../contract/routes.ts';
import { strict } from '../../contract/schema.ts';
import { limits } from '../../domain/limits.ts';
import type { LazySignal } from '../../platform/lazy-signal.ts';
import { jsonTextOf } from '../json-text.ts';
import { acceptBytes, acceptJson } from './bodies.ts';
import { coerce } from './coercion.ts';
import type { Call, Handlers, StreamReply } from './handlers/handler.ts';
import { acceptLines, lineFailure } from './lines.ts';
import type { OpenRequests } from './open-requests.ts';
import { assertTakesKey } from './takes-key.ts';
import type { Finding } from './validation.ts';

const names = Object.keys(routes) as RouteName[];
const nothing = strict({});

/** The compiler of schemas, once the application is ready. */
export type SchemaCompiler = () => FastifyInstance['validatorCompiler'];

/**
 * Three instances, because a route takes either JSON, or lines of JSON, or bytes. Gives the compiler of their schemas,
 * which makes the checks of calls without HTTP, too.
 */
export async function addRoutes(
  app: FastifyInstance,
  handlers: Handlers,
  open: OpenRequests,
): Promise<SchemaCompiler> {
  const takes = (name: RouteName): 'bytes' | 'lines' | 'json' => {
    const route: Route = routes[name];
    if (route.body === 'bytes') return 'bytes';
    return route.bodyIsLines ? 'lines' : 'json';
  };
  let ofJson = app;
  await app.register(async (instance) => {
    ofJson = instance;
    acceptJson(instance);
    for (const name of names) if (takes(name) === 'json') addRoute(instance, name, handlers, open);
  });
  await app.register(async (instance) => {
    acceptLines(instance);
    instance.setSchemaErrorFormatter((findings, part) => lineFailure(findings as Finding[], part));
    for (const name of names) if (takes(name) === 'lines') addRoute(instance, name, handlers, open);
  });
  await app.register(async (instance) => {
    acceptBytes(instance);
    for (const name of names) if (takes(name) === 'bytes') addRoute(instance, name, handlers, open);
  });
  return () => ofJson.validatorCompiler;
}

function addRoute<N extends RouteName>(
  app: FastifyInstance,
  name: N,
  handlers: Handlers,
  open: OpenRequests,
): void {
  const route: Route = routes[name];
  const handle = handlers[name];
  app.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    exposeHeadRoute: route.method === 'GET' && (route.reply !== 'stream' || route.streams !== undefined),
    ...(route.body === 'bytes' ? { bodyLimit: limits.logUploadBytes } : {}),
    schema: schemaOf(route),
    preValidation: async (request) => {
      coerce(request.params, route.params ?? nothing);
      coerce(request.query, route.query ?? nothing);
      assertTakesKey(route, request.headers);
    },
    handler: async (request, reply) => {
      const answer: unknown = await handle(callOf<N>(request, open.begin(reply.raw)));
      return route.reply === 'stream'
        ? sendStream(reply, route, answer as StreamReply)
        : sendJson(reply, route, answer);
    },
  });
}

/** What a route does not name it does not take. */
function schemaOf(route: Route): {
  params?: object;
  querystring: object;
  headers?: object;
  body?: object;
} {
  const body = route.method === 'GET' ? undefined : (route.body ?? nothing);
  return {
    querystring: route.query ?? nothing,
    ...(route.params === undefined ? {} : { params: route.params }),
    ...(route.headers === undefined ? {} : { headers: route.headers }),
    ...(typeof body === 'object' ? { body } : {}),
  };
}

/** The schemas have made sure of the types. */
function callOf<N extends RouteName>(request: FastifyRequest, gone: LazySignal): Call<N> {
  const lastEventId = request.headers['last-event-id'];
  return {
    params: request.params as ParamsOf<N>,
    query: request.query as QueryOf<N>,
    headers: request.headers as HeadersOf<N>,
    body: request.body as BodyOf<N>,
    lastEventId: typeof lastEventId === 'string' ? lastEventId : undefined,
    gone,
    get signal() {
      return gone.signal;
    },
  };
}

function sendJson(reply: FastifyReply, route: Route, answer: unknown): FastifyReply {
  return reply.code(route.status).type('application/json; charset=utf-8').send(jsonTextOf(answer));
}

function sendStream(reply: FastifyReply, route: Route, answer: StreamReply): FastifyReply {
  const { headers, status = route.status } = answer;
  const isHead = reply.request.method === 'HEAD';
  // Fastify would read a stream to its end to throw it away.
  if (isHead && typeof answer.body !== 'string') answer.body.destroy();
  const body = isHead && typeof answer.body !== 'string' ? Readable.from([]) : answer.body;
  return reply.code(status).headers(headers).send(body);
}
