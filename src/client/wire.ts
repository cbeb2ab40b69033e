/** A call of the route table as a request on the wire. */
import {
  type BodyOf,
  type HeadersOf,
  type ParamsOf,
  type QueryOf,
  type Route,
  type RouteName,
  routes,
} from '../contract/routes.ts';
import { linesContentType } from '../contract/schema.ts';
import { BlixardError } from '../domain/errors.ts';
import type { LazySignal } from '../platform/lazy-signal.ts';
import type { CallParts, WireCall, WireRequest } from './transport.ts';

/** Present when the route has it; optional when nothing in it is needed. */
type Given<K extends string, T> = [T] extends [undefined]
  ? unknown
  : Record<never, never> extends T
    ? { readonly [P in K]?: T }
    : { readonly [P in K]: T };

/** What any call takes. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** For all tries together; the default is 30 s and the time the call itself waits. */
  readonly timeoutMs?: number;
}

/** What a call of this route needs. */
export type CallInput<N extends RouteName> = CallOptions &
  Given<'params', ParamsOf<N>> &
  Given<'query', QueryOf<N>> &
  Given<'headers', HeadersOf<N>> &
  Given<'body', BodyOf<N>>;

/** The input, which may be left out where nothing in it is needed. */
export type CallArgs<N extends RouteName> =
  Record<never, never> extends CallInput<N> ? [input?: CallInput<N>] : [input: CallInput<N>];

/** Any input, as the code that only passes it on sees it. */
export type AnyInput = CallOptions & CallParts;

/** Path with query, method, headers and body of a call. Throws USAGE when a path parameter is missing. */
export function wireRequestOf(name: RouteName, input: CallParts): WireRequest {
  const route: Route = routes[name];
  const { contentType, body } = bodyOf(route, input);
  const headers = { ...contentType, ...given(input.headers) };
  const wire = { method: route.method, path: pathOf(route.path, input), headers };
  return body === undefined ? wire : { ...wire, body };
}

/** The same call as plain values. Throws USAGE when a path parameter is missing. */
export function wireCallOf(route: RouteName, input: AnyInput, gone: LazySignal): WireCall {
  const { path, params: needed }: Route = routes[route];
  if (needed !== undefined) for (const name of Object.keys(needed.properties)) paramOf(path, input, name);
  const call: { -readonly [P in keyof WireCall]: WireCall[P] } = { route, gone };
  if (input.params !== undefined) call.params = input.params;
  if (input.query !== undefined) call.query = input.query;
  if (input.headers !== undefined) call.headers = input.headers;
  if (input.body !== undefined) call.body = input.body;
  return call;
}

function bodyOf(route: Route, { body }: CallParts) {
  if (route.body === undefined) return {};
  if (route.body === 'bytes' && body instanceof Uint8Array)
    return { contentType: { 'content-type': 'application/octet-stream' }, body };
  if (route.bodyIsLines && Array.isArray(body))
    return { contentType: { 'content-type': linesContentType }, body: body.map(lineOf).join('') };
  return { contentType: { 'content-type': 'application/json' }, body: JSON.stringify(body ?? {}) };
}

function lineOf(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

function given(headers: CallParts['headers'] = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

function paramOf(template: string, input: CallParts, name: string): string | number {
  const value = input.params?.[name];
  if (value === undefined) throw new BlixardError('USAGE', { problem: `${template} needs ${name}` });
  return value;
}

function pathOf(template: string, input: CallParts): string {
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => {
    return encodeURIComponent(paramOf(template, input, name));
  });
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(input.query ?? {})) {
    for (const each of [value ?? []].flat()) query.append(name, String(each));
  }
  return query.size === 0 ? path : `${path}?${query}`;
}
