/** The wires between clients, workers and the control node: they lose, double and delay what is sent over them. */
import { Readable } from 'node:stream';
import type { Transport, WireRequest, WireResponse } from '../../src/client/transport.ts';
import { BlixardError } from '../../src/domain/errors.ts';
import { LazySignal } from '../../src/platform/lazy-signal.ts';
import type { Chance } from './chance.ts';
import type { Profile } from './profile.ts';
import type { Answer, SimServer } from './server.ts';
import type { SimProcess, SimTime } from './time.ts';

/** How long until a caller notices that the connection is gone. */
const noticedMs = 50;
/** Longest delay of a slow message: more than a lease. */
export const slowMs = 18_000;

interface Open {
  readonly from: SimProcess;
  readonly what: string;
  readonly answer: (answer: Answer) => void;
  readonly fail: (problem: string) => void;
  done: boolean;
}

interface NetworkDeps {
  readonly time: SimTime;
  readonly chance: Chance;
  readonly profile: () => Profile;
  /** Undefined while there is none. */
  readonly server: () => SimServer | undefined;
}

/** All connections. */
export class Network {
  readonly #deps: NetworkDeps;
  readonly #open = new Map<Open, SimServer | undefined>();

  constructor(deps: NetworkDeps) {
    this.#deps = deps;
  }

  /** The transport of one process. */
  wireOf(from: SimProcess): Transport {
    return {
      url: 'simulation',
      send: (request) => this.#send(from, request),
      close: () => Promise.resolve(),
    };
  }

  /** Requests of living processes that have neither an answer nor an error. */
  get open(): string[] {
    return [...this.#open.keys()]
      .filter(({ from }) => from.alive)
      .map(({ from, what }) => `${from.name} ${what}`);
  }

  /** Connections to a control node that has died are reset. */
  reset(server: SimServer): void {
    for (const [open, at] of this.#open) if (at === server) open.fail('connection reset');
  }

  #send(from: SimProcess, request: WireRequest): Promise<WireResponse> {
    const { time, chance } = this.#deps;
    const { loseRequest, loseAnswer, twice } = this.#deps.profile();
    const { signal } = request;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(abortError());
      const gone = new LazySignal();
      const settle = (act: () => void): void => {
        if (open.done) return;
        open.done = true;
        this.#open.delete(open);
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      const onAbort = (): void =>
        settle(() => {
          reject(abortError());
          // The other end may hear of it late, or never.
          time.after(this.#delayMs(), 'gone', undefined, () => gone.abort());
        });
      const later = (what: string, act: () => void): void =>
        void time.after(noticedMs, what, from, () => settle(act));
      const what = `${request.method} ${request.path.split('?')[0]}`;
      const open: Open = {
        ...{ from, what, done: false },
        answer: (answer) => settle(() => resolve(responseOf(answer))),
        fail: (problem) => later(problem, () => reject(unreachable(problem))),
      };
      this.#open.set(open, undefined);
      signal?.addEventListener('abort', onAbort, { once: true });
      const fate = chance.random.unit();
      if (fate < loseRequest) return open.fail('request lost');
      const copies = chance.of(twice) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++)
        this.#deliver(open, request, { gone, losesAnswer: fate < loseRequest + loseAnswer });
    });
  }

  #deliver(
    open: Open,
    request: WireRequest,
    { gone, losesAnswer }: { readonly gone: LazySignal; readonly losesAnswer: boolean },
  ): void {
    const { time } = this.#deps;
    time.after(this.#delayMs(), `to ${open.what}`, undefined, () => {
      const server = this.#deps.server();
      if (server === undefined) return open.fail('connection refused');
      if (!open.done) this.#open.set(open, server);
      // A stopped process takes the request when it goes on.
      time.after(0, open.what, server.process, () => {
        void server.serve(request, gone).then((answer) => {
          if (!server.process.alive) return;
          time.say(`${server.process.name} answers ${open.what} ${answer.status}`);
          if (losesAnswer) open.fail('answer lost');
          else time.after(this.#delayMs(), `answer ${open.what}`, open.from, () => open.answer(answer));
        });
      });
    });
  }

  #delayMs(): number {
    const { chance, profile } = this.#deps;
    return chance.of(profile().slow) ? chance.random.unit() * slowMs : chance.random.unit() * 3;
  }
}

function responseOf({ status, contentType, body }: Answer): WireResponse {
  return { status, headers: { 'content-type': contentType }, body: Readable.from([body]) };
}

function abortError(): Error {
  return new DOMException('the caller has gone', 'AbortError');
}

function unreachable(problem: string): BlixardError {
  return new BlixardError('SERVER_UNREACHABLE', { url: 'simulation', problem });
}
