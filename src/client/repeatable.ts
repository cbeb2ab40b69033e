/** Which calls may be sent again when no answer came, and what is told of one that is not. */
import { type Route, type RouteName, routes } from '../contract/routes.ts';
import { BlixardError, isBlixardError } from '../domain/errors.ts';
import type { Ids } from '../platform/random.ts';
import type { AnyInput } from './wire.ts';

/** Their jobs always carry an id, unless a key makes it. */
const newJobs: ReadonlySet<RouteName> = new Set(['submitJob', 'submitJobs', 'triggerSchedule']);

/** The same again changes nothing more; of a delivery the receiver knows its id, and may have it twice anyway. */
const sameAgain: ReadonlySet<RouteName> = new Set([
  'cancelJob',
  'setQueue',
  'setSchedule',
  'putWebhook',
  'pauseQueue',
  'resumeQueue',
  'pauseSchedule',
  'resumeSchedule',
  'drainWorker',
  'redeliver',
]);

/** A job as its submitter gives it; what is undefined is left out. */
interface Made {
  readonly id?: unknown;
}

/** A redrive, the same way. */
interface Named {
  readonly ids?: unknown;
}

/** A webhook as its caller gives it. */
interface Secret {
  readonly secret?: unknown;
  readonly secretIfNew?: unknown;
}

/** Makes what a caller may leave out. */
export interface Making {
  readonly id: Ids;
  /** Of a webhook. */
  readonly secret: () => string;
}

/** Codes of connections that were never made. */
export const neverMade: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/**
 * The call with what makes it repeatable, where the caller has left that out: ids of new jobs, the secret of a webhook
 * that is new, or a key.
 */
export function madeRepeatable(name: RouteName, given: AnyInput, making: Making): AnyInput {
  const input = withLowerNames(given);
  const { body, headers } = input;
  if (name === 'triggerSchedule' && isKeyed(input)) return input;
  if (newJobs.has(name)) {
    const withId = (job: Made | undefined): object => {
      const { id = making.id(), ...rest } = job ?? {};
      return { id, ...rest };
    };
    return { ...input, body: Array.isArray(body) ? body.map(withId) : withId(body) };
  }
  if (name === 'putWebhook') return { ...input, body: withSecret(body, making) };
  const { ids }: Named = body ?? {};
  const takesKey = name === 'retryJob' || (name === 'redriveQueue' && ids !== undefined);
  if (!takesKey || isKeyed(input)) return input;
  return { ...input, headers: { ...headers, 'idempotency-key': making.id() } };
}

/** HTTP does not care how names of headers are written, and code without types writes Idempotency-Key. */
function withLowerNames(input: AnyInput): AnyInput {
  if (input.headers === undefined) return input;
  const entries = Object.entries(input.headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return { ...input, headers: Object.fromEntries(entries) };
}

function withSecret(body: Secret | undefined, making: Making): object {
  const { secret, secretIfNew = making.secret(), ...rest } = body ?? {};
  return { ...rest, ...(secret === undefined ? { secretIfNew } : { secret }) };
}

/** Whether it may be sent again: what the first one did is not done twice. */
export function isRepeatable(name: RouteName, input: AnyInput): boolean {
  const route: Route = routes[name];
  return route.method === 'GET' || newJobs.has(name) || sameAgain.has(name) || isKeyed(input);
}

/** The error of a call that is not sent again: where it may have been carried out, it says so. */
export function unanswered(error: unknown): unknown {
  if (!isBlixardError(error, 'SERVER_UNREACHABLE') || wasNeverSent(error)) return error;
  const problem = `${String(error.details['problem'])}; the call was sent and may have been carried out`;
  return new BlixardError('SERVER_UNREACHABLE', { ...error.details, problem }, { cause: error });
}

function isKeyed({ headers }: AnyInput): boolean {
  return headers?.['idempotency-key'] !== undefined;
}

/** The error of what is asked of a client that was closed. */
export function closed(problem: string, cause?: unknown): BlixardError {
  return new BlixardError('CLIENT_CLOSED', { problem }, { cause });
}

/** The error of what ended because its client was closed; what the server or the caller has said stays as it is. */
export function endOfClosed(error: unknown): unknown {
  if (!isBlixardError(error, 'SERVER_UNREACHABLE')) return error;
  const what = wasNeverSent(error)
    ? 'the call was not sent'
    : 'no answer had come, the call may have been carried out';
  return closed(what, error);
}

function wasNeverSent(error: Error): boolean {
  const { cause } = error;
  if (!(cause instanceof Error)) return false;
  return neverMade.has((cause as NodeJS.ErrnoException).code ?? '') || wasNeverSent(cause);
}
