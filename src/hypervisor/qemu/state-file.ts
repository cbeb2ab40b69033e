/** Takes the state that QEMU sends when it saves a VM: a socket in the VM's own folder, written on to a file. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import { pipeline } from 'node:stream/promises';

/** Relative to the folder in which QEMU runs: the path of a socket may have 107 bytes, and that of a folder more. */
const socketName = 'state.sock';

/**
 * Calls `send` with where to send a state to, and resolves when that has resolved and the whole state is in `file`.
 * The socket stands in `runDir`, and goes.
 */
export async function receiveState(
  runDir: string,
  file: string,
  send: (uri: string) => Promise<void>,
): Promise<void> {
  const folder = await open(runDir, 'r');
  const server = createServer();
  const written = new Promise<void>((resolve, reject) => {
    server.once('connection', (socket) => {
      pipeline(socket, createWriteStream(file, { mode: 0o600 })).then(resolve, reject);
    });
  });
  try {
    server.listen({ path: `/proc/self/fd/${folder.fd}/${socketName}` });
    await once(server, 'listening');
    await Promise.all([send(`unix:${socketName}`), written]);
  } finally {
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
    await folder.close();
  }
}
