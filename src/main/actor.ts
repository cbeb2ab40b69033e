/** Who runs this program, for those who look later at what was done. */
import { hostname, userInfo } from 'node:os';
import { limits } from '../domain/limits.ts';

/** user@host, at most `limits.actorLength` characters. */
export function actorOf(): string {
  return `${userName()}@${hostname()}`.slice(0, limits.actorLength);
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run a user id that no file gives a name.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
