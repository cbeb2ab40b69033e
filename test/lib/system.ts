/** Real processes for tests: starts `blixard up`, `server` or `worker` in a data directory, and calls the CLI. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BlixardClient, httpTransport } from '../../src/client/index.ts';
import { readTextIfThere, writeFileDurably } from '../../src/platform/files.ts';
import { removeCgroupsOf, vmFoldersUnder } from './leftovers.ts';

const bin = fileURLToPath(new URL('../../dist/main/bin.js', import.meta.url));
const scriptWorker = fileURLToPath(new URL('script-worker.ts', import.meta.url));
/** Blixard itself looks whether it still holds for image, QEMU and host. */
const measuredHostFile = join(tmpdir(), 'blixard-test-host.json');
const readyWithinMs = 60_000;

/** Images are built once for all tests; everything else is a test's own. */
export const imagesDir =
  process.env['BLIXARD_IMAGES_DIR'] ?? join(homedir(), '.local', 'share', 'blixard', 'images');

export interface CliResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export type Env = Readonly<Record<string, string>>;

/** A folder and a port that later processes of the same test share, as restarts do. */
export class Site {
  readonly dataDir: string;
  readonly port: number;
  readonly #children: ChildProcess[] = [];

  private constructor(dataDir: string, port: number) {
    this.dataDir = dataDir;
    this.port = port;
  }

  static async make(): Promise<Site> {
    return new Site(await mkdtemp(join(tmpdir(), 'blixard-site-')), await freePort());
  }

  /** One whose host was measured before: the first `up` of any other boots a VM for that, which takes seconds. */
  static async makeMeasured(): Promise<Site> {
    const site = await Site.make();
    await writeFile(join(site.dataDir, 'host.json'), await measuredHost());
    return site;
  }

  /** Where the jobs of script workers tell what they did. */
  get effectsFile(): string {
    return join(this.dataDir, 'effects.log');
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  client(): BlixardClient {
    return new BlixardClient({ transport: httpTransport({ url: this.url }) });
  }

  /** Starts a long-running command; resolves when the server is ready, and its worker too where it has one. */
  async start(command: 'up' | 'server', env: Env = {}): Promise<Process> {
    const process = this.spawn([command], env);
    await this.#untilReady(process);
    if (command === 'up') await this.#untilWorks();
    return process;
  }

  /** Starts any command and leaves it running. */
  spawn(args: readonly string[], env: Env = {}): Process {
    return this.#spawn([bin, ...args], env);
  }

  /** Starts a worker whose jobs are scripts of the fake executor; it shares the folder, so there can be one. */
  spawnScriptWorker(env: Env = {}): Process {
    return this.#spawn(['--import', 'tsx', scriptWorker], { BLIXARD_TEST_EFFECTS: this.effectsFile, ...env });
  }

  #spawn(args: readonly string[], env: Env): Process {
    const child = spawn(globalThis.process.execPath, args, {
      env: { ...this.#env(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.push(child);
    return new Process(child);
  }

  /** Runs a CLI command to its end. */
  async cli(args: readonly string[], options: { env?: Env; stdin?: string } = {}): Promise<CliResult> {
    const child = spawn(globalThis.process.execPath, [bin, ...args], {
      env: { ...this.#env(), ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#children.push(child);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.end(options.stdin ?? '');
    const [code] = (await once(child, 'close')) as [number | null];
    return { code: code ?? -1, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
  }

  /** Ends everything this site started and removes its folder. */
  async remove(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    await removeCgroupsOf(await vmFoldersUnder(this.dataDir));
    await rm(this.dataDir, { recursive: true, force: true });
  }

  #env(): NodeJS.ProcessEnv {
    return {
      ...globalThis.process.env,
      BLIXARD_DATA_DIR: this.dataDir,
      BLIXARD_IMAGES_DIR: imagesDir,
      BLIXARD_PORT: String(this.port),
      BLIXARD_SERVER: this.url,
      // Each site would build a template of its own; the tests of fast starts switch them on.
      BLIXARD_TEMPLATES: 'off',
      NO_COLOR: '1',
    };
  }

  async #untilWorks(): Promise<void> {
    const client = this.client();
    await until('its worker has registered', async () => {
      const { workers } = await client.call('listWorkers');
      return workers.some((worker) => worker.state === 'online');
    });
    await client.close();
  }

  async #untilReady(process: Process): Promise<void> {
    const giveUpAt = Date.now() + readyWithinMs;
    while (Date.now() < giveUpAt) {
      if (process.hasEnded) throw new Error(`it ended before it was ready:\n${process.output}`);
      const ready = await fetch(`${this.url}/readyz`).then(
        (response) => response.ok,
        () => false,
      );
      if (ready) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`not ready after ${readyWithinMs} ms:\n${process.output}`);
  }
}

/** What an `up` on this host has found out of it since its boot. */
async function measuredHost(): Promise<string> {
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const known = await readTextIfThere(measuredHostFile);
  if (known?.includes(bootId)) return known;
  const site = await Site.make();
  try {
    await (await site.start('up')).end('SIGTERM');
    const measured = await readFile(join(site.dataDir, 'host.json'), 'utf8');
    await writeFileDurably(measuredHostFile, measured);
    return measured;
  } finally {
    await site.remove();
  }
}

/** A started process and what it wrote. */
export class Process {
  readonly child: ChildProcess;
  #output = '';

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on('data', (chunk: Buffer) => this.#keep(chunk));
    child.stderr?.on('data', (chunk: Buffer) => this.#keep(chunk));
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get output(): string {
    return this.#output;
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Sends a signal and resolves with the exit code, or null when the signal ended it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (!this.hasEnded) {
      const exited = once(this.child, 'exit');
      this.child.kill(signal);
      await exited;
    }
    return this.child.exitCode;
  }

  #keep(chunk: Buffer): void {
    this.#output = (this.#output + chunk.toString()).slice(-200_000);
  }
}

/** The QEMU processes that a process has started and that still live, each as its pid and its start time. */
export async function vmmsOf(parentPid: number): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await childrenOf(`${parentPid}`)) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const [program = ''] = line.split('\0');
    // What locks it in stands between.
    if (!program.includes('qemu-system')) found.push(...(await vmmsOf(Number(pid))));
    else found.push(`${pid}@${await startTicks(pid)}`);
  }
  return found;
}

async function childrenOf(pid: string): Promise<string[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return children.split(' ').filter((child) => child !== '');
}

/** Which of these `pid@start` live still. */
export async function stillAlive(identities: readonly string[]): Promise<string[]> {
  const alive = await Promise.all(
    identities.map(async (identity) => {
      const [pid = '', start] = identity.split('@');
      return (await startTicks(pid)) === start;
    }),
  );
  return identities.filter((_, index) => alive[index]);
}

/** True while a signal has it stand still. */
export async function isStopped(pid: number): Promise<boolean> {
  return (await statFields(`${pid}`))?.[0] === 'T';
}

async function startTicks(pid: string): Promise<string | undefined> {
  const fields = await statFields(pid);
  return fields?.[0] === 'Z' ? undefined : fields?.[19];
}

/** Those after the name: state first. */
async function statFields(pid: string): Promise<string[] | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Waits until `probe` gives something; fails with `what` after `withinMs`. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false>,
  withinMs = 60_000,
): Promise<T> {
  const giveUpAt = Date.now() + withinMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > giveUpAt) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
