/** The thread that writes: it alone has the connection that does, and commits one group after another. */
import { parentPort, workerData } from 'node:worker_threads';
import { asBlixardError, problemOf } from '../../domain/errors.ts';
import {
  GroupReader,
  sentError,
  sentOutcomes,
  type ThreadIsTold,
  type ThreadSays,
} from './commit-messages.ts';
import { type Connection, openWriter } from './connection.ts';
import { unavailable } from './failure.ts';
import { loadSqlite } from './library.ts';
import { type Tell, Transactions } from './transactions.ts';

const say = (message: ThreadSays): void => parentPort?.postMessage(message);
const tell: Tell = (level, text, error) => say({ says: 'note', level, text, problem: problemOf(error) });

function serve(writer: Connection): void {
  const transactions = new Transactions({ writer, tell });
  const reader = new GroupReader();
  parentPort?.on('message', (told: ThreadIsTold) => {
    if (told === 'close') {
      transactions.close();
      say({ says: 'closed' });
      parentPort?.close();
      return;
    }
    try {
      const begin = performance.now();
      const outcomes = sentOutcomes(transactions.commit(reader.read(told)));
      say({ says: 'committed', outcomes, tookMs: performance.now() - begin });
    } catch (error) {
      say({ says: 'failed', error: sentError(asBlixardError(error)) });
    }
  });
  say({ says: 'ready' });
}

try {
  serve(openWriter(await loadSqlite(), (workerData as { file: string }).file));
} catch (error) {
  say({ says: 'failed', error: sentError(unavailable(error)) });
}
