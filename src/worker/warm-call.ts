/** Asks the worker that runs in a data directory of this host to build a template: the other end of warm-door.ts. */
import { connect, type Socket } from 'node:net';
import { errorOfProblem } from '../contract/problem.ts';
import { BlixardError, problemOf } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { Clock } from '../platform/clock.ts';
import type { TellStep } from '../vm/build-steps.ts';
import type { WarmedTemplate } from '../vm/starter.ts';
import { eachLine, readWarmAnswer, type WarmOrder, warmLine, warmSocket } from './warm-wire.ts';

/** Longer than the worker itself takes to say that it is not there yet. */
const answerMs = limits.warmMsMax + 10_000;

/** Where, and whom to tell of the steps. */
export interface WarmCallDeps {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly step: TellStep;
}

/**
 * Undefined when no worker that takes orders runs there. Rejects with what the worker says, and with TEMPLATE_FAILED
 * when it goes away or says nothing.
 */
export async function askToWarm(deps: WarmCallDeps, order: WarmOrder): Promise<WarmedTemplate | undefined> {
  const { folder, path } = await warmSocket(deps.dataDir);
  let socket: Socket | undefined;
  try {
    socket = connect({ path });
    return await converse(deps, socket, order);
  } finally {
    socket?.destroy();
    await folder.close();
  }
}

function converse(
  { dataDir, clock, step }: WarmCallDeps,
  socket: Socket,
  order: WarmOrder,
): Promise<WarmedTemplate | undefined> {
  const failed = (problem: string): BlixardError =>
    new BlixardError('TEMPLATE_FAILED', {
      image: order.image,
      problem: `the worker of ${dataDir} ${problem}`,
    });
  return new Promise((resolve, reject) => {
    const timer = clock.after(answerMs, () => socket.destroy(new TypeError('it does not answer')));
    socket.once('connect', () => {
      step('Asking the worker that runs on this host');
      socket.write(warmLine(order));
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(undefined);
      else reject(failed(`cannot be asked: ${problemOf(error)}`));
    });
    socket.once('close', () => {
      timer.cancel();
      reject(failed('ended before the template was there'));
    });
    eachLine(socket, limits.warmAnswerBytes, (line) => {
      const answer = readWarmAnswer(line);
      if ('step' in answer) step(answer.step);
      else if ('template' in answer) resolve(answer.template);
      else reject(errorOfProblem(answer.problem) ?? failed(`refuses: ${answer.problem.title}`));
    });
  });
}
