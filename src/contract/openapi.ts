/** The route table as an OpenAPI 3.1 document. */
import { type ErrorCode, errorCatalogue } from '../domain/errors.ts';
import { Problem, problemContentType } from './problem.ts';
import { type Route, routes } from './routes.ts';
import { linesContentType } from './schema.ts';
import type { TObject } from './typebox.ts';

/** What any route may answer with, beside the errors of its own. */
const errorsOfAll: readonly ErrorCode[] = [
  'VALIDATION_FAILED',
  'CROSS_SITE_REFUSED',
  'SERVER_CLOSING',
  'INTERNAL',
];
const errorsOfBodies: readonly ErrorCode[] = [
  'BODY_INVALID_JSON',
  'BODY_TOO_LARGE',
  'MEDIA_TYPE_UNSUPPORTED',
];
/** Its disk is full, or more wait for it than may. */
const errorsOfWrites: readonly ErrorCode[] = ['STORE_FULL', 'OVERLOADED'];

/** @param version of the program. */
export function openapiDocument(version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, object>> = {};
  for (const [name, route] of Object.entries<Route>(routes)) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(name, route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Blixard',
      version,
      summary: 'Durable jobs in microVMs',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: { schemas: { Problem } },
  };
}

function operation(name: string, route: Route): object {
  return {
    operationId: name,
    summary: route.summary,
    parameters: [
      ...parameters('path', route.params),
      ...parameters('query', route.query),
      ...parameters('header', route.headers),
    ],
    ...(route.body === undefined ? {} : { requestBody: requestBody(route) }),
    responses: { [route.status]: reply(route), ...part(route), ...problems(errorsOf(route)) },
  };
}

function parameters(place: 'path' | 'query' | 'header', schema: TObject | undefined): object[] {
  if (schema === undefined) return [];
  const required: readonly string[] = schema.required ?? [];
  return Object.entries(schema.properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: property,
  }));
}

function requestBody({ body = 'bytes', bodyIsLines }: Route): object {
  if (body === 'bytes') return { required: true, content: { 'application/octet-stream': {} } };
  if (bodyIsLines) return { required: true, content: { [linesContentType]: { schema: body } } };
  const isNeeded = ((body as Partial<TObject>).required ?? []).length > 0;
  return { required: isNeeded, content: { 'application/json': { schema: body } } };
}

function reply({ reply: schema, page, streams }: Route): object {
  if (schema !== 'stream') return { description: 'Done.', content: { 'application/json': { schema } } };
  if (page !== undefined) {
    const content = { 'text/event-stream': {}, 'application/json': { schema: page } };
    return { description: 'Server-sent events, or with follow=false one page.', content };
  }
  if (streams !== undefined) return { description: 'Its bytes.', content: { [streams]: {} } };
  return {
    description: 'The range of bytes asked for, or with follow server-sent events.',
    content: { 'application/octet-stream': {}, 'text/event-stream': {} },
  };
}

/** What a route that takes a range answers with. */
function part(route: Route): object {
  if (route.headers?.properties['range'] === undefined) return {};
  return { 206: { ...reply(route), description: 'The range of bytes asked for.' } };
}

function errorsOf(route: Route): readonly ErrorCode[] {
  const takesBody = route.body !== undefined;
  const writes = route.method !== 'GET' && route.errors.includes('STORE_UNAVAILABLE');
  return [
    ...new Set([
      ...route.errors,
      ...errorsOfAll,
      ...(writes ? errorsOfWrites : []),
      ...(takesBody ? errorsOfBodies : []),
    ]),
  ];
}

/** One reply for each status; its description lists the codes. */
function problems(codes: readonly ErrorCode[]): Record<string, object> {
  const statuses = new Set(codes.map((code) => errorCatalogue[code].status));
  const problem = (status: number): object => {
    const those = codes.filter((code) => errorCatalogue[code].status === status);
    return {
      description: those.map((code) => `${code}: ${errorCatalogue[code].message}`).join('\n'),
      content: { [problemContentType]: { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  };
  return Object.fromEntries([...statuses].map((status) => [status, problem(status)]));
}
