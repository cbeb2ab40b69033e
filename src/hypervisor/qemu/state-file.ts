/** Takes the state that QEMU sends when it saves a VM: a socket in the VM's own folder, written on to a file. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { chown, open } from 'node:fs/promises';
import { createServer } from 'node:net';
import { pipeline } from 'node:stream/promises';

/** Relative to the folder in which QEMU runs: the path of a socket may have 107 bytes, and that of a folder more. */
const socketName = 'state.sock';

/**
 * Calls `send` with where to send a state to, and resolves when that has resolved and the whole state is in `file`.
 * The socket stands in `runDir`, and goes.
 *
 * @param sender who shall be able to connect, when that is another user than this process has.
 */
export async function receiveState(
  runDir: string,
  file: string,
  send: (uri: string) => Promise<void>,
  sender?: { readonly uid: number; readonly gid: number },
): Promise<void> {
  const folder = await open(runDir, 'r');
  const server = createServer();
  const written = new Promise<void>((resolve, reject) => {
    server.once('connection', (socket) => {
      pipeline(socket, createWriteStream(file, { mode: 0o600 })).then(resolve, reject);
    });
  });
  try {
    const path = `/proc/self/fd/${folder.fd}/${socketName}`;
    server.listen({ path });
    await once(server, 'listening');
    if (sender !== undefined) await chown(path, sender.uid, sender.gid);
    await Promise.all([send(`unix:${socketName}`), written]);
  } finally {
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
    await folder.close();
  }
}
