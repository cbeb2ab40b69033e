/** The tasks of the guest agent, as `guest/tasks.c` does them, over the files of a fake guest. */
import { limits } from '../../domain/limits.ts';
import type { CommandEnd, CommandIo, FakeCommands } from './fake-commands.ts';

const success: CommandEnd = { code: 0 };
const never = new Promise<CommandEnd>(() => undefined);

export const fakeTasks: FakeCommands = {
  watch: (io) => {
    io.files.pipe(`${io.spec.cwd}/progress`, (data) => void io.stdout(data));
    return never;
  },
  limits: async ({ args, limits: set }) => {
    set.set(Number(args[0]), Number(args[1]));
    return success;
  },
  /** Of all interpreters only Python is there. */
  zygote: async ({ args: [name = ''], guest }) => {
    if (name !== 'python3') return { code: 127 };
    guest.note('zygote', name);
    return success;
  },
  rehearsal: async ({ args: [name = ''], guest }) => {
    if (name !== 'python3') return { code: 127 };
    guest.note('rehearsed', guest.hostName);
    return success;
  },
  put: async (io) => {
    const [offset = '0', name = ''] = io.args;
    const parts: Buffer[] = [];
    for await (const part of io.stdin()) parts.push(part);
    io.files.write(`${io.spec.cwd}/${name}`, Buffer.concat(parts), Number(offset));
    return success;
  },
  collect: async (io) => {
    const [resultBytes, artifactBytes, , ...paths] = io.args;
    const dir = io.spec.cwd;
    await sendFile(io, 'R', `${dir}/result.json`, 'result.json', Number(resultBytes));
    for (const path of io.files.below(`${dir}/artifacts`)) {
      await sendFile(io, 'A', path, path.slice(`${dir}/artifacts/`.length), Number(artifactBytes));
    }
    for (const path of paths) {
      if (io.files.read(path) === undefined) await note(io, `${path}: No such file or directory`);
      else await sendFile(io, 'A', path, path.slice(path.lastIndexOf('/') + 1), Number(artifactBytes));
    }
    return success;
  },
};

async function sendFile(
  io: CommandIo,
  kind: string,
  path: string,
  name: string,
  bytesMax: number,
): Promise<void> {
  const bytes = io.files.read(path);
  if (bytes === undefined) return;
  if (bytes.length > bytesMax) return await note(io, `${path}: the file is too large`);
  await io.stdout(head(kind, name));
  for (let at = 0; at < bytes.length; at += limits.frameBytes) {
    const part = bytes.subarray(at, at + limits.frameBytes);
    await io.stdout(Buffer.concat([uint32(part.length), part]));
  }
  await io.stdout(uint32(0));
}

async function note(io: CommandIo, text: string): Promise<void> {
  await io.stdout(head('N', text));
}

function head(kind: string, name: string): Buffer {
  const bytes = Buffer.from(name);
  const length = Buffer.alloc(2);
  length.writeUInt16LE(bytes.length);
  return Buffer.concat([Buffer.from(kind), length, bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
