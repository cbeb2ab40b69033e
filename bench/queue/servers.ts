/** Redis and PostgreSQL of the bench's own: each in a folder of its own, on a free port, gone with the bench. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Server } from './systems.ts';

/** Where a contestant finds its server. */
export interface Address {
  readonly port?: number;
  readonly url?: string;
}

const readyWithinMs = 30_000;
/** Debian puts the programs of a major version here. */
const postgresPrograms = '/usr/lib/postgresql';
const postgresSettings = ['shared_buffers=512MB', 'max_connections=200', 'listen_addresses=127.0.0.1'];

/** Starts servers when they are first asked for. */
export class Servers {
  readonly #dir: string;
  readonly #started = new Map<Server, Promise<Address>>();
  readonly #children: { readonly child: ChildProcess; readonly signal: NodeJS.Signals }[] = [];
  #databases = 0;

  /** `dir` is removed by who made it, after `stop`. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** For one contest: a started server, with PostgreSQL a database that is new. */
  async addressFor(server: Server): Promise<Address> {
    if (server === 'none') return {};
    const started = this.#started.get(server) ?? this.#start(server);
    this.#started.set(server, started);
    const address = await started;
    return server === 'postgres' ? this.#newDatabase(address) : address;
  }

  /** Ends all that was started, by its pid. */
  async stop(): Promise<void> {
    for (const { child, signal } of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    }
  }

  #start(server: Exclude<Server, 'none'>): Promise<Address> {
    const dir = join(this.#dir, server);
    mkdirSync(dir, { recursive: true });
    if (server === 'postgres') return this.#startPostgres(dir);
    return this.#startRedis(dir, server === 'redis-always' ? 'always' : 'everysec');
  }

  async #startRedis(dir: string, appendfsync: string): Promise<Address> {
    const port = await freePort();
    const options = { port, bind: '127.0.0.1', dir, appendonly: 'yes', appendfsync, save: '' };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    this.#spawn('redis-server', args, 'SIGTERM');
    await untilListening(port);
    return { port };
  }

  async #startPostgres(dir: string): Promise<Address> {
    const port = await freePort();
    const data = join(dir, 'data');
    const [initdb, postgres] = ['initdb', 'postgres'].map(postgresProgram);
    const asUser = unprivileged(dir);
    runToEnd([...asUser, initdb ?? '', '-D', data, '-A', 'trust', '-U', 'postgres', '-E', 'UTF8'], dir);
    const settings = [...postgresSettings, `unix_socket_directories=${dir}`].flatMap((each) => ['-c', each]);
    const [program = '', ...args] = [...asUser, postgres ?? '', '-D', data, '-p', String(port), ...settings];
    // SIGINT is its fast shutdown: it waits for no client.
    this.#spawn(program, args, 'SIGINT');
    await untilListening(port);
    return { port };
  }

  #newDatabase({ port }: Address): Address {
    const name = `bench_${++this.#databases}`;
    const psql = ['psql', '-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-qc'];
    for (let tries = 0; ; tries++) {
      const made = spawnSync(psql[0] ?? '', [...psql.slice(1), `CREATE DATABASE ${name}`]);
      if (made.status === 0) break;
      // It listens before it is ready to serve.
      if (tries === 50) throw new Error(String(made.stderr));
      spawnSync('sleep', ['0.2']);
    }
    return { url: `postgres://postgres@127.0.0.1:${port}/${name}` };
  }

  #spawn(program: string, args: readonly string[], signal: NodeJS.Signals): void {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'ignore'] });
    this.#children.push({ child, signal });
  }
}

/** PostgreSQL refuses to run as root: there it runs as the user that its package made. */
function unprivileged(dir: string): string[] {
  if (process.getuid?.() !== 0) return [];
  runToEnd(['chown', 'postgres', dir], dir);
  return ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', '--'];
}

function postgresProgram(name: string): string {
  const newest = readdirSync(postgresPrograms).sort((a, b) => Number(b) - Number(a))[0];
  return join(postgresPrograms, newest ?? '', 'bin', name);
}

function runToEnd([program = '', ...args]: readonly string[], cwd: string): void {
  const ended = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (ended.status !== 0) throw new Error(`${program} failed: ${ended.stderr}`);
}

async function untilListening(port: number): Promise<void> {
  for (const untilMs = performance.now() + readyWithinMs; performance.now() < untilMs; ) {
    const socket = connect(port, '127.0.0.1');
    const isThere = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (isThere) return;
    await sleep(50);
  }
  throw new Error(`nothing listens on port ${port}`);
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
