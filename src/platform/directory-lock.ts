/** One owner per directory and host: a name in the kernel that goes with its process, however that ends. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, realpath } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';

/** Held until released or until this process ends. */
export interface DirectoryLock {
  release(): Promise<void>;
}

/**
 * Makes this process the owner of `path` for one purpose; undefined when another one is. The path is made if it
 * is not there. The lock is an abstract socket name (unix(7)), so nothing is left behind by a killed process.
 */
export async function lockDirectory(path: string, purpose: string): Promise<DirectoryLock | undefined> {
  await mkdir(path, { recursive: true });
  const server = createServer((socket) => socket.destroy());
  if (!(await listens(server, `\0${await nameOf(path, purpose)}`))) return undefined;
  server.unref();
  return { release: () => closed(server) };
}

/** Whether some process of this host owns `path`, which must be there, for this purpose now; takes nothing. */
export async function isDirectoryLocked(path: string, purpose: string): Promise<boolean> {
  const name = await nameOf(path, purpose);
  // The kernel writes an abstract name with @ for its NULs, of which Node adds some at the end.
  return (await readFile('/proc/net/unix', 'utf8')).includes(`@${name}`);
}

async function nameOf(path: string, purpose: string): Promise<string> {
  const place = createHash('sha256')
    .update(await realpath(path))
    .digest('hex');
  return `blixard/${purpose}/${place}`;
}

function listens(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen({ path }, () => resolve(true));
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
