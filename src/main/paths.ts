/** Where things lie in the data directory. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The SQLite file of the embedded store. */
export function storeFileIn(dataDir: string): string {
  return join(dataDir, 'blixard.db');
}

/** The folder of job output. */
export function logDirIn(dataDir: string): string {
  return join(dataDir, 'logs');
}

/** The folder of artifacts. */
export function artifactDirIn(dataDir: string): string {
  return join(dataDir, 'artifacts');
}

/** Sources of the guest agent; the same place seen from src/main and from dist/main. */
export const agentSourceDir = fileURLToPath(new URL('../../guest', import.meta.url));
