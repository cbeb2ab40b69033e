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
import { walFlushOf } from './wal-flush.ts';

const { file, unsettled }: ThreadData = workerData;
const flag = new Int32Array(unsettled);
const writer = openWriter(await loadSqlite(), file);
const flush = walFlushOf(file);
const transactions = new Transactions({
  writer,
  log: silentLog,
  onCommit: () => Atomics.store(flag, 0, 1),
});

parentPort?.on('message', (message: ToThread) => {
  if (message === 'end') {
    flush.close();
    writer.close();
    parentPort?.close();
    return;
  }
  const reply = commit(message.group);
  if (reply.kind !== 'unflushed') Atomics.store(flag, 0, 0);
  say(reply);
});
say({ kind: 'ready' });

function commit(group: readonly Batch[]): FromThread {
  const sinceMs = performance.now();
  let outcomes: ReturnType<Transactions['run']>;
  try {
    outcomes = transactions.run(group);
  } catch (error) {
    return { kind: 'failed', error: sentError(unavailable(error)) };
  }
  const commitMs = performance.now() - sinceMs;
  try {
    flush.now();
  } catch (error) {
    return { kind: 'unflushed', error: sentError(unavailable(error)) };
  }
  return { kind: 'committed', outcomes: outcomes.map(sentOutcome), commitMs };
}

function say(message: FromThread): void {
  parentPort?.postMessage(message);
}
