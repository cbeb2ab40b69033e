/** Routes called by name with plain values: the same schemas, handlers and problems as over HTTP, without HTTP. */
import { randomUUID } from 'node:crypto';
import { problemOfError } from '../../contract/problem.ts';
import { type Route, type RouteName, routes } from '../../contract/routes.ts';
import { strict } from '../../contract/schema.ts';
import { BlixardError } from '../../domain/errors.ts';
import type { LazySignal } from '../../platform/lazy-signal.ts';
import type { Log } from '../../platform/log.ts';
import type { SchemaCompiler } from './add-routes.ts';
import { coerce } from './coercion.ts';
import type { Handlers } from './handlers/handler.ts';
import { lineFailure } from './lines.ts';
import type { OpenRequests } from './open-requests.ts';
import { toldError } from './problem-reply.ts';
import { assertTakesKey } from './takes-key.ts';
import { badValue, type Finding, validationFailure } from './validation.ts';

/** What a call takes, as it comes in; nothing of it is believed. */
export interface CallInput {
  readonly params?: unknown;
  readonly query?: unknown;
  readonly headers?: unknown;
  readonly body?: unknown;
}

/** What is answered. */
export interface CallAnswer {
  readonly status: number;
  readonly body: unknown;
}

type Part = 'params' | 'querystring' | 'headers' | 'body';
type Validate = ((value: unknown) => unknown) & { readonly errors?: readonly Finding[] | null };

interface Check {
  readonly part: Part;
  readonly validate: Validate;
  /** A part that is left out need not be looked at. */
  readonly mayBeLeftOut: boolean;
}

/** One route, ready to be called. */
interface Callable {
  readonly route: Route;
  readonly handle: (call: CheckedCall) => Promise<unknown>;
  readonly checks: readonly Check[];
}

type Parts = { [P in Part]: unknown };

const nothing = strict({});

export class Calls {
  readonly #compiler: SchemaCompiler;
  readonly #handlers: Handlers;
  readonly #open: OpenRequests;
  readonly #log: Log;
  readonly #callables = new Map<string, Callable>();

  constructor(deps: { compiler: SchemaCompiler; handlers: Handlers; open: OpenRequests; log: Log }) {
    this.#compiler = deps.compiler;
    this.#handlers = deps.handlers;
    this.#open = deps.open;
    this.#log = deps.log;
  }

  /** Answers a call; never rejects. Who waits for the answer aborts `gone` when nobody does any more. */
  async answer(name: string, input: CallInput, gone: LazySignal): Promise<CallAnswer> {
    try {
      const { route, handle, checks } = this.#callable(name);
      const call = new CheckedCall(checked(route, checks, input), gone);
      this.#open.beginCall(gone);
      return { status: route.status, body: await handle(call) };
    } catch (error) {
      return this.refusal(error, name);
    } finally {
      this.#open.endCall(gone);
    }
  }

  /** The answer that an error is told by. */
  refusal(error: unknown, route: string): CallAnswer {
    const requestId = randomUUID();
    const told = toldError(error, { known: undefined, requestId, url: route }, this.#log);
    return { status: told.entry.status, body: problemOfError(told, requestId) };
  }

  /** Throws ROUTE_NOT_FOUND for what is no route, or one that takes bytes or streams its reply. */
  #callable(name: string): Callable {
    const known = this.#callables.get(name);
    if (known !== undefined) return known;
    const route: Route | undefined = Object.hasOwn(routes, name) ? routes[name as RouteName] : undefined;
    if (route === undefined || route.body === 'bytes' || route.reply === 'stream') {
      throw new BlixardError('ROUTE_NOT_FOUND', { method: 'call', path: name.slice(0, 80) });
    }
    const callable = {
      route,
      handle: this.#handlers[name as RouteName] as Callable['handle'],
      checks: partsOf(route).map(([part, schema]) => this.#check(part, schema, route)),
    };
    this.#callables.set(name, callable);
    return callable;
  }

  #check(part: Part, schema: object, route: Route): Check {
    const compile = this.#compiler();
    if (compile === undefined) throw new BlixardError('INTERNAL', { problem: 'called before it was ready' });
    const { method, path: url } = route;
    const validate = compile({ schema, method, url, httpPart: part }) as Validate;
    return { part, validate, mayBeLeftOut: validate(leftOut(part, route)) === true };
  }
}

/** What a handler is given. */
class CheckedCall {
  readonly params: unknown;
  readonly query: unknown;
  readonly headers: unknown;
  readonly body: unknown;
  readonly lastEventId = undefined;
  readonly gone: LazySignal;

  constructor({ params, querystring, headers, body }: Parts, gone: LazySignal) {
    this.params = params;
    this.query = querystring;
    this.headers = headers;
    this.body = body;
    this.gone = gone;
  }

  get signal(): AbortSignal {
    return this.gone.signal;
  }
}

/** What a route does not name it does not take. */
function partsOf(route: Route): [Part, object][] {
  const body = route.method === 'GET' ? nothing : (route.body ?? nothing);
  return [
    ['params', route.params ?? nothing],
    ['querystring', route.query ?? nothing],
    ['headers', route.headers ?? strict({})],
    ['body', body as object],
  ];
}

/** Throws VALIDATION_FAILED, or BATCH_LINE_REFUSED. */
function checked(route: Route, checks: Callable['checks'], input: CallInput): Parts {
  const params = input.params === undefined ? undefined : { ...objectOf(input.params, 'params') };
  const querystring = input.query === undefined ? undefined : { ...objectOf(input.query, 'query') };
  if (input.headers !== undefined) assertTakesKey(route, input.headers);
  if (params !== undefined) coerce(params, route.params ?? nothing);
  if (querystring !== undefined) coerce(querystring, route.query ?? nothing);
  const given: Parts = {
    params,
    querystring,
    headers: input.headers ?? undefined,
    body: input.body ?? undefined,
  };
  for (const { part, validate, mayBeLeftOut } of checks) {
    const isLeftOut = given[part] === undefined;
    if (isLeftOut) given[part] = leftOut(part, route);
    if ((isLeftOut && mayBeLeftOut) || validate(given[part]) === true) continue;
    const findings = validate.errors ?? [];
    throw route.bodyIsLines ? lineFailure(findings, part) : validationFailure(findings, part);
  }
  return given;
}

/** What a part is that a call leaves out. */
function leftOut(part: Part, route: Route): object {
  return part === 'body' && route.bodyIsLines ? [] : {};
}

function objectOf(value: unknown, field: string): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw badValue(field, value, 'an object');
}
