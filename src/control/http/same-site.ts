/**
 * Without tokens only this machine may ask: keeps web pages (cross-site requests, DNS rebinding) from doing
 * so.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { BlixardError } from '../../domain/errors.ts';

const loopback = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i;
const readOnly = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Throws CROSS_SITE_REFUSED unless Host names this machine and, where something may change, Origin is that
 * host too. Browsers always send both; a rebound DNS name shows in Host, a foreign page in Origin.
 */
export function assertSameSite(method: string, headers: IncomingHttpHeaders): void {
  const { host = '', origin } = headers;
  if (!loopback.test(host)) {
    throw new BlixardError('CROSS_SITE_REFUSED', { problem: `the host header is ${shown(host)}` });
  }
  if (readOnly.has(method) || origin === undefined) return;
  if (origin.toLowerCase() !== `http://${host.toLowerCase()}`) {
    throw new BlixardError('CROSS_SITE_REFUSED', { problem: `the origin header is ${shown(origin)}` });
  }
}

function shown(text: string): string {
  return text === '' ? 'missing' : JSON.stringify(text.slice(0, 80));
}
