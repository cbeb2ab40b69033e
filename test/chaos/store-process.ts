/** Starts and kills the process of store-child.ts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('store-child.ts', import.meta.url));

export interface StoreProcess {
  readonly pid: number;
  /** The rows whose write was answered so far. */
  readonly answered: readonly number[];
  /** Ends the process at once, as a crash would; resolves when it is gone and all it told has been read. */
  kill(): Promise<void>;
}

/**
 * Resolves when the child owns the store, rejects with its complaint when it cannot; it writes from `firstRow` on,
 * `beside` by the thread that commits under load.
 */
export async function startStoreProcess(
  file: string,
  firstRow: number,
  committed: 'here' | 'beside' = 'here',
): Promise<StoreProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', program, file, `${firstRow}`, committed], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines = createInterface({ input: child.stdout });
  const closed = once(child, 'close');
  const answered: number[] = [];
  let complaint = '';
  child.stderr.on('data', (data: Buffer) => {
    complaint += data;
  });
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => (line === 'open' ? resolve() : answered.push(Number(line))));
    void closed.then(() => reject(new Error(`the child ended before it was open: ${complaint}`)));
  });
  return { pid: pidOf(child), answered, kill: () => killAndWait(child, closed) };
}

async function killAndWait(child: ChildProcess, closed: Promise<unknown>): Promise<void> {
  child.kill('SIGKILL');
  await closed;
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('the child has no pid');
  return child.pid;
}
