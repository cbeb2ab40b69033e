/** What a fake guest can run: the first word of argv names a scripted behaviour. */
import type { ExecSpec } from '../../contract/guest.ts';
import type { FakeFiles } from './fake-files.ts';
import type { FakeGuest } from './fake-guest.ts';
import type { FakeLimits } from './fake-limits.ts';

/** How a scripted command ends. */
export interface CommandEnd {
  readonly code: number;
  readonly signal?: number;
  readonly oom?: boolean;
  readonly diskFull?: boolean;
}

/** What a scripted command can do. */
export interface CommandIo {
  readonly spec: ExecSpec;
  readonly guest: FakeGuest;
  /** argv without its first word. */
  readonly args: readonly string[];
  /** Of the guest. */
  readonly files: FakeFiles;
  readonly limits: FakeLimits;
  stdout(data: string | Buffer): Promise<void>;
  stderr(data: string | Buffer): Promise<void>;
  /** Standard input to its end. */
  stdin(): AsyncIterable<Buffer>;
  sleep(ms: number): Promise<void>;
  /** Keeps every signal but SIGKILL from ending the command. */
  ignoreSignals(): void;
  /** Ends the VM as a kernel panic would. */
  crashVm(): void;
  /** Ends the VM as a guest that powers itself off does. */
  powerOffVm(): void;
  /** Sends bytes that are no frame. */
  breakProtocol(): void;
}

type FakeCommand = (io: CommandIo) => Promise<CommandEnd>;

/** By the first word of argv. */
export type FakeCommands = Readonly<Record<string, FakeCommand>>;

/** Noted in a guest where nothing can be removed. */
export const keepsAllNote = 'keeps all';
const success: CommandEnd = { code: 0 };
const floodChunk = Buffer.alloc(16 * 1024, 'x');

const never = new Promise<CommandEnd>(() => undefined);

/** `['exit', '3']`, `['echo', 'text', …]`, `['sleep', 'ms']`, and so on; times in ms, sizes in bytes. */
export const fakeCommands: FakeCommands = {
  exit: async ({ args }) => ({ code: Number(args[0] ?? 0) }),
  signal: async ({ args }) => ({ code: -1, signal: Number(args[0] ?? 9) }),
  oom: async () => ({ code: -1, signal: 9, oom: true }),
  /** Writes so many bytes and is so many processes at once: `['take', bytes, count]`. */
  take: async ({ args, limits, stderr }) => {
    const hasRoom = limits.hasRoomFor(Number(args[0]));
    if (hasRoom && limits.mayBe(Number(args[1]))) return success;
    await stderr(hasRoom ? 'cannot fork\n' : 'No space left on device\n');
    return hasRoom ? { code: 2 } : { code: 1, diskFull: true };
  },
  echo: async (io) => {
    await io.stdout(`${io.args.join(' ')}\n`);
    return success;
  },
  'echo-error': async (io) => {
    await io.stderr(`${io.args.join(' ')}\n`);
    return success;
  },
  env: async (io) => {
    await io.stdout([`cwd=${io.spec.cwd}`, `uid=${io.spec.uid}`, ...io.spec.env, ''].join('\n'));
    return success;
  },
  cat: async (io) => {
    for await (const chunk of io.stdin()) await io.stdout(chunk);
    return success;
  },
  flood: async (io) => {
    for (let left = Number(io.args[0]); left > 0; left -= floodChunk.length) {
      await io.stdout(floodChunk.subarray(0, left));
    }
    return success;
  },
  /** Prints `tick 1`, `tick 2`, … with `ms` before each: `['ticks', count, ms]`. */
  ticks: async (io) => {
    for (let tick = 1; tick <= Number(io.args[0]); tick++) {
      await io.sleep(Number(io.args[1]));
      await io.stdout(`tick ${tick}\n`);
    }
    return success;
  },
  sleep: async (io) => {
    await io.sleep(Number(io.args[0]));
    return success;
  },
  stubborn: async (io) => {
    io.ignoreSignals();
    await io.sleep(Number(io.args[0]));
    return success;
  },
  /** Writes text into a file whose folder the environment names: `['write', 'BLIXARD_ARTIFACTS/name', text, …]`. */
  write: async (io) => {
    for (let at = 0; at < io.args.length; at += 2) {
      io.files.write(pathOf(io, io.args[at] ?? ''), Buffer.from(io.args[at + 1] ?? ''));
    }
    return success;
  },
  /** Prints such a file. */
  read: async (io) => {
    await io.stdout(io.files.read(pathOf(io, io.args[0] ?? '')) ?? 'no such file\n');
    return success;
  },
  /** `['rm', '-rf', folder]`. */
  rm: async ({ args, files, guest }) => {
    if (guest.noted(keepsAllNote) !== undefined) return { code: 1 };
    files.remove(args[1] ?? '');
    return success;
  },
  /** Prints what is in a folder. */
  ls: async (io) => {
    await io.stdout(io.files.below(io.args[0] ?? '').join('\n'));
    return success;
  },
  silent: () => never,
  /** Keeps a text in the guest's memory: `['remember', name, text]`. */
  remember: async ({ args, guest }) => {
    guest.note(args[0] ?? '', args[1] ?? '');
    return success;
  },
  recall: async (io) => {
    await io.stdout(io.guest.noted(io.args[0] ?? '') ?? 'nothing');
    return success;
  },
  /** Changes what no reset can undo. */
  taint: async ({ guest }) => {
    guest.taint();
    return success;
  },
  /** Random bytes as hex: `['random', count]`. */
  random: async (io) => {
    await io.stdout(io.guest.random(Number(io.args[0])));
    return success;
  },
  /** Time in ms, host name, machine id and boot id, a line each. */
  identity: async ({ guest, stdout }) => {
    await stdout([guest.nowMs(), guest.hostName, guest.machineId, guest.bootId, ''].join('\n'));
    return success;
  },
  true: async () => success,
  crash: (io) => {
    io.crashVm();
    return never;
  },
  poweroff: (io) => {
    io.powerOffVm();
    return never;
  },
  garbage: (io) => {
    io.breakProtocol();
    return never;
  },
};

/** `NAME/rest`, where NAME is a variable of the environment, or the path as it is. */
function pathOf({ spec }: CommandIo, path: string): string {
  const [name = '', ...rest] = path.split('/');
  const value = spec.env.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  return value === undefined ? path : [value, ...rest].join('/');
}
