/** Refuses the header Idempotency-Key where nothing is kept by it: who repeats a call and relies on it would err. */
import { type Route, type RouteName, routes } from '../../contract/routes.ts';
import { BlixardError } from '../../domain/errors.ts';
import { shorten } from './validation.ts';

const header = 'idempotency-key';

/** Throws VALIDATION_FAILED when a call that changes something has the header and its route does not take it. */
export function assertTakesKey(route: Route, headers: unknown): void {
  const value = (headers as Readonly<Record<string, unknown>> | null | undefined)?.[header];
  if (value === undefined || route.method === 'GET' || takesKey(route)) return;
  const takers = (Object.keys(routes) as RouteName[]).map((name): Route => routes[name]).filter(takesKey);
  const allowed = `only with ${takers.map(nameOf).join(', ')}`;
  const problem = `${nameOf(route)} does not take this header; allowed: ${allowed}; ${insteadOf(route)}`;
  throw new BlixardError('VALIDATION_FAILED', { field: header, value: shorten(value), allowed, problem });
}

function takesKey({ headers }: Route): boolean {
  return headers?.properties[header] !== undefined;
}

function nameOf({ method, path }: Route): string {
  return `${method} ${path}`;
}

function insteadOf({ method, bodyIsLines }: Route): string {
  if (bodyIsLines) return 'with an id on each line the call is safe to repeat';
  return method === 'POST' ? 'leave it out' : 'without it the call is safe to repeat as well';
}
