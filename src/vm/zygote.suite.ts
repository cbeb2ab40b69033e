/** Commands that must end alike whether a zygote takes them or not, and what runs them both ways. */
import { mkdir, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import type { ExecSpec, ExitReply } from '../contract/guest.ts';
import type { LogStream } from '../contract/log.ts';
import type { GuestCommand, GuestIo } from './guest-session.ts';

/** A command, and whether a zygote takes it. */
export interface ZygoteCase {
  readonly name: string;
  readonly argv: readonly string[];
  readonly taken: boolean;
  /** Beside the script, below the folder the command runs in. */
  readonly files?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly env?: readonly string[];
  /** Sent as soon as the command has printed something. */
  readonly signal?: keyof typeof constants.signals;
}

/** What can be told apart from outside. */
export interface CaseEnd extends Pick<ExitReply, 'code' | 'signal'> {
  readonly stdout: string;
  readonly stderr: string;
}

/** Of every case; the node of this process comes first, that of an image last. */
export const caseEnv = [`PATH=${dirname(process.execPath)}:/usr/bin:/bin:/usr/local/bin`, 'HOME=/root'];

/** A case whose script is one text: the interpreter's `-c` or `-e`. */
export function inline(name: string, argv: readonly string[], rest: Partial<ZygoteCase> = {}): ZygoteCase {
  return { name, argv, taken: true, ...rest };
}

/** Where cases run. */
export interface CasePlace {
  /** The folder they run in. */
  readonly cwd: string;
  readonly uid: number;
  write(path: string, text: string): Promise<void>;
  start(spec: ExecSpec, io: GuestIo): GuestCommand;
}

/** In a folder of this host, which is to be removed afterwards. */
export function hostPlace(dir: string, start: CasePlace['start']): CasePlace {
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  };
  return { cwd: dir, uid: process.getuid?.() ?? 0, write, start };
}

/** How a command ends, and who ran it. */
export async function runCase(
  { argv, files, stdin, env, signal }: ZygoteCase,
  { cwd, uid, write, start }: CasePlace,
): Promise<CaseEnd & { readonly byZygote: boolean }> {
  for (const [name, text] of Object.entries(files ?? {})) await write(join(cwd, name), text);
  const parts: Record<LogStream, Buffer[]> = { stdout: [], stderr: [] };
  const spec = {
    argv,
    env: environmentOf(['GREETING=grüß dich', ...(env ?? [])]),
    cwd,
    uid,
  };
  const exec = start(spec, {
    stdin: Buffer.from(stdin ?? ''),
    output: async (stream, data) => {
      // Once: what it prints because of it would else bring it another in the middle of its end.
      const isFirst = parts.stdout.length + parts.stderr.length === 0;
      if (signal !== undefined && isFirst) exec.signal(constants.signals[signal]);
      parts[stream].push(data);
    },
  });
  const exit = await exec.exited;
  const text = (stream: LogStream): string => Buffer.concat(parts[stream]).toString('latin1');
  const { code, signal: ended } = exit;
  return { code, signal: ended, stdout: text('stdout'), stderr: text('stderr'), byZygote: exec.byZygote };
}

/** A later one of the same name wins. */
function environmentOf(entries: readonly string[]): string[] {
  const named = [...caseEnv, ...entries].map((entry) => [entry.slice(0, entry.indexOf('=')), entry] as const);
  return [...new Map(named).values()];
}

/** What differs between any two starts, and the frames inside Node that lead to a `-e`, which are other ones. */
const volatile = [
  [/^ +at (.*\()?(node:|\[eval\]-wrapper).*\n/gm, ''],
  [/^ +\.\.\. \d+ lines matching cause stack trace \.\.\.\n/gm, ''],
  [/^\(node:\d+\)/gm, '(node:PID)'],
  [/0x[0-9a-f]+/g, 'ADDRESS'],
] as const;

/** As two ends of the same command must be equal. */
export function comparable<End extends CaseEnd>(end: End): End {
  const cut = (text: string): string =>
    volatile.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead), text);
  return { ...end, stdout: cut(end.stdout), stderr: cut(end.stderr) };
}
