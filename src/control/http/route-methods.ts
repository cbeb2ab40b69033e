/** Which methods a path has: tells a wrong method (405) from a wrong path (404). */
import { type Route, routes } from '../../contract/routes.ts';
import { BlixardError } from '../../domain/errors.ts';

const paths = Object.values(routes).map((route: Route) => ({
  method: route.method,
  pattern: new RegExp(`^${route.path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
}));

/** The methods of this path, for the allow header; none when no route has it. */
export function methodsOf(path: string): string[] {
  const methods = paths.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method);
  return [...new Set(methods)];
}

/** The error of a request that no route takes. */
export function noRoute(method: string, path: string): BlixardError {
  const methods = methodsOf(path);
  if (methods.length === 0) return new BlixardError('ROUTE_NOT_FOUND', { method, path });
  return new BlixardError('METHOD_NOT_ALLOWED', { method, path, allowed: methods.join(', ') });
}
