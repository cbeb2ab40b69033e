/** The program of the thread that commits: its own connection to the store file, one group after another. */
import { parentPort, workerData } from 'node:worker_threads';
import { silentLog } from '../../platform/log.ts';
import {
  type FromThread,
  sentError,
  sentOutcome,
  type ThreadData,
  type ToThread,
} from './commit-thread-messages.ts';
import { openWriter } from './connection.ts';
import { unavailable } from './failure.ts';
import { loadSqlite } from './library.ts';
import { type Batch, Transactions } from './transactions.ts';

const { file, unsettled }: ThreadData = workerData;
const counter = new Int32Array(unsettled);
const writer = openWriter(await loadSqlite(), file);
let isCounted = false;
const transactions = new Transactions({
  writer,
  log: silentLog,
  onCommit: () => {
    isCounted = true;
    Atomics.add(counter, 0, 1);
  },
});

parentPort?.on('message', (message: ToThread) => {
  if (message === 'end') {
    writer.close();
    parentPort?.close();
    return;
  }
  say(commit(message.group));
});
say({ kind: 'ready' });

function commit(group: readonly Batch[]): FromThread {
  const sinceMs = performance.now();
  isCounted = false;
  try {
    const outcomes = transactions.run(group).map(sentOutcome);
    return { kind: 'committed', outcomes, commitMs: performance.now() - sinceMs };
  } catch (error) {
    if (isCounted) Atomics.sub(counter, 0, 1);
    return { kind: 'failed', error: sentError(unavailable(error)) };
  }
}

function say(message: FromThread): void {
  parentPort?.postMessage(message);
}
