/** For tests: the real agent as an ordinary process, and a session with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { ExecSpec, ExitReply } from '../contract/guest.ts';
import type { LogStream } from '../contract/log.ts';
import { buildAgent, compileAgent } from '../image/agent-build.ts';
import { realClock } from '../platform/clock.ts';
import { readTextIfThere } from '../platform/files.ts';
import { type GuestOutput, GuestSession } from './guest-session.ts';

const agentSourceDir = fileURLToPath(new URL('../../guest', import.meta.url));
export const agentToken = 'token-of-a-test_1.0';
export const helloTimeoutMs = 5_000;

/** A compiled agent in a folder of its own. */
export interface BuiltAgent {
  readonly file: string;
  remove(): Promise<void>;
}

/** As it goes into an image, or with the compiler's checks for memory faults and undefined behaviour. */
export async function buildTestAgent(kind: 'release' | 'checked'): Promise<BuiltAgent> {
  const dir = await mkdtemp(join(tmpdir(), 'blixard-agent-'));
  const deps = { sourceDir: agentSourceDir, outFile: join(dir, 'agent') };
  const flags = ['-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'];
  await (kind === 'release' ? buildAgent(deps) : compileAgent({ ...deps, compiler: 'gcc', flags }));
  return { file: deps.outFile, remove: () => rm(dir, { recursive: true }) };
}

/** A running agent. */
export interface RunningAgent {
  readonly process: ChildProcess;
  readonly channel: Duplex;
  /** What it wrote to standard error. */
  complaints(): string;
  /** Its exit code or signal. */
  readonly ended: Promise<number | string | null>;
}

export function startAgent(file: string): RunningAgent {
  const child = spawn(file, ['--fd', '3'], { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  const channel = child.stdio[3];
  if (!(channel instanceof Duplex)) throw new Error('the channel is not there');
  let complaints = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaints += chunk.toString();
  });
  // `close`, not `exit`: after it the complaints are whole.
  const ended = new Promise<number | string | null>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? signal));
  });
  return { process: child, channel, complaints: () => complaints, ended };
}

export function openSession(agent: RunningAgent): GuestSession {
  return new GuestSession({ channel: agent.channel, clock: realClock, token: agentToken });
}

/** An agent and a session that has said hello to it. */
export interface Greeted {
  readonly agent: RunningAgent;
  readonly session: GuestSession;
}

export async function startGreeted(file: string): Promise<Greeted> {
  const agent = startAgent(file);
  const session = openSession(agent);
  await session.hello(helloTimeoutMs);
  return { agent, session };
}

/** Hangs up; the agent must end well and have nothing to complain of. */
export async function endWell({ agent, session }: Greeted): Promise<void> {
  session.close();
  expect(await agent.ended).toBe(0);
  expect(agent.complaints()).toBe('');
}

/** An exec spec with what a test does not care about filled in. */
export function command(argv: readonly string[], rest: Partial<ExecSpec> = {}): ExecSpec {
  const uid = process.getuid?.() ?? 0;
  return { argv, env: ['PATH=/usr/bin:/bin'], cwd: '/', uid, ...rest };
}

/** A script of the shell. */
export function shell(script: string): ExecSpec {
  return command(['sh', '-c', script]);
}

/** Starts a script that prints a process id first; resolves with that. */
export function startedShell(session: GuestSession, script: string): Promise<number> {
  return new Promise((resolve) => {
    const output: GuestOutput = async (_stream, data) => resolve(Number(data));
    session.exec(shell(script), { stdin: new Uint8Array(), output });
  });
}

/** What a command did. */
export interface Ran {
  readonly exit: ExitReply;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** Runs a command to its end and keeps its output. */
export async function run(session: GuestSession, spec: ExecSpec, stdin = Buffer.alloc(0)): Promise<Ran> {
  const parts: Record<LogStream, Buffer[]> = { stdout: [], stderr: [] };
  const output = async (stream: LogStream, data: Buffer): Promise<void> => {
    parts[stream].push(data);
  };
  const exit = await session.exec(spec, { stdin, output }).exited;
  return { exit, stdout: Buffer.concat(parts.stdout), stderr: Buffer.concat(parts.stderr) };
}

/** True while a process with this id runs; one that has ended and waits for its parent does not. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await readTextIfThere(`/proc/${pid}/stat`);
  return stat !== undefined && !/^\d+ \(.*\) Z/.test(stat);
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
