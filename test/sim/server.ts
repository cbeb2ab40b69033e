/** One life of a control node: the real commands, scheduler and handlers, with a simulated store and clock. */
import type { WireRequest } from '../../src/client/transport.ts';
import { problemContentType, problemOfError } from '../../src/contract/problem.ts';
import { type Route, type RouteName, routes } from '../../src/contract/routes.ts';
import { ForgetCommands } from '../../src/control/forget-commands.ts';
import { Forgetter } from '../../src/control/forgetter.ts';
import { coerce } from '../../src/control/http/coercion.ts';
import { attemptHandlers } from '../../src/control/http/handlers/attempts.ts';
import { jobHandlers } from '../../src/control/http/handlers/jobs.ts';
import { queueHandlers } from '../../src/control/http/handlers/queues.ts';
import { resultHandlers } from '../../src/control/http/handlers/results.ts';
import { scheduleHandlers } from '../../src/control/http/handlers/schedules.ts';
import { togetherHandlers } from '../../src/control/http/handlers/together.ts';
import { workerHandlers } from '../../src/control/http/handlers/workers.ts';
import { JobCommands } from '../../src/control/job-commands.ts';
import { JobQueries } from '../../src/control/job-queries.ts';
import { QueueCommands } from '../../src/control/queue-commands.ts';
import { QueueQueries } from '../../src/control/queue-queries.ts';
import { ArtifactFiles } from '../../src/control/results/artifact-files.ts';
import { Results } from '../../src/control/results/results.ts';
import { Scheduler } from '../../src/control/scheduler.ts';
import { makeSchedules } from '../../src/control/schedules/make-schedules.ts';
import { Signals } from '../../src/control/signals.ts';
import { tellingStore } from '../../src/control/telling-store.ts';
import { Groups } from '../../src/control/together/groups.ts';
import { ParentEnds } from '../../src/control/together/parent-ends.ts';
import { ParentWatch } from '../../src/control/together/parent-watch.ts';
import { VmBoard } from '../../src/control/vm-board.ts';
import { WorkerCommands } from '../../src/control/worker-commands.ts';
import { asBlixardError, isBlixardError } from '../../src/domain/errors.ts';
import type { LazySignal } from '../../src/platform/lazy-signal.ts';
import { silentLog } from '../../src/platform/log.ts';
import { makeIds, type Random } from '../../src/platform/random.ts';
import type { Database } from '../../src/store/database.ts';
import type { MemoryLogs } from './memory-logs.ts';
import type { SimProcess, SimTime } from './time.ts';

const leaseMs = 15_000;
const heartbeatMs = 5_000;

/** An answer before it goes on the wire. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

type AnyHandler = (call: {
  readonly params: Record<string, unknown>;
  readonly query: Record<string, unknown>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly lastEventId: undefined;
  readonly gone: LazySignal;
  readonly signal: AbortSignal;
}) => Promise<unknown>;

interface Served {
  readonly route: Route;
  readonly path: RegExp;
  readonly names: readonly string[];
  readonly handle: AnyHandler;
}

/** Made anew after each crash: all it remembers is in the store. */
export class SimServer {
  readonly process: SimProcess;
  readonly workers: WorkerCommands;
  readonly #routes: readonly Served[];
  readonly #stops: (() => Promise<void>)[];
  readonly #onBug: (error: unknown) => void;
  /** Nothing is answered before. */
  readonly #ready: Promise<void>;

  constructor(deps: {
    readonly process: SimProcess;
    readonly time: SimTime;
    readonly random: Random;
    readonly store: Database;
    readonly logs: MemoryLogs;
    /** A handler threw what no caller may see. */
    readonly onBug: (error: unknown) => void;
    /** It cannot start, and ends. */
    readonly onFail: () => void;
  }) {
    const { process, time, random, store, logs } = deps;
    this.process = process;
    this.#onBug = deps.onBug;
    const clock = time.clockOf(process);
    const signals = new Signals();
    const db = tellingStore(store, { signals, clock });
    const shared = { db, clock, random, ids: makeIds(clock, random), log: silentLog, signals };
    const forget = new ForgetCommands({ ...shared, logs });
    const jobs = new JobCommands({ ...shared, forget });
    this.workers = new WorkerCommands({ ...shared, leaseMs, heartbeatMs });
    const { schedules, runner } = makeSchedules({ ...shared, jobs });
    const [scheduler, forgetter] = [
      new Scheduler({ ...shared, leaseMs }),
      new Forgetter({ ...shared, forget }),
    ];
    const watch = new ParentWatch({ ...shared, parentEnds: new ParentEnds(shared) });
    const vms = new VmBoard({ ...shared, workers: () => queries.workers() });
    const queries = new JobQueries({ ...shared, vms });
    const queues = new QueueCommands(shared);
    // Artifacts are files, and no simulated worker sends one.
    const artifacts = new ArtifactFiles({ dir: '/none' });
    const results = new Results({ ...shared, workers: this.workers, files: artifacts });
    const { tellProgress, putResult } = resultHandlers({
      queries,
      workers: this.workers,
      results,
      artifacts,
    });
    this.#routes = servedBy({
      ...jobHandlers({ jobs, queries, logs }),
      ...workerHandlers({ workers: this.workers, queries, logs, vms }),
      ...attemptHandlers({ workers: this.workers, logs }),
      ...queueHandlers({ queues, queueQueries: new QueueQueries(shared), forget }),
      ...scheduleHandlers({ schedules }),
      ...togetherHandlers({ groups: new Groups(shared), queries }),
      ...{ tellProgress, putResult },
    });
    this.#stops = [() => scheduler.stop(), () => forgetter.stop(), () => runner.stop(), () => watch.stop()];
    scheduler.start();
    forgetter.start();
    runner.start();
    watch.start();
    this.#ready = queues.finishLines().catch(deps.onFail);
  }

  /** Answers a request; a refusal is an answer, too. */
  async serve(request: WireRequest, gone: LazySignal): Promise<Answer> {
    await this.#ready;
    try {
      return await this.#handle(request, gone);
    } catch (error) {
      if (!isBlixardError(error) || error.code === 'INTERNAL' || error.code === 'CONSTRAINT')
        this.#onBug(error);
      const known = asBlixardError(error);
      return { ...json(known.entry.status, problemOfError(known)), contentType: problemContentType };
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#stops.map((stop) => stop()));
  }

  async #handle(request: WireRequest, gone: LazySignal): Promise<Answer> {
    const [path = '', search = ''] = request.path.split('?');
    for (const { route, path: pattern, names, handle } of this.#routes) {
      const match = route.method === request.method ? pattern.exec(path) : null;
      if (match === null) continue;
      const params = Object.fromEntries(
        names.map((name, index) => [name, decodeURIComponent(match[index + 1] ?? '')]),
      );
      const query = Object.fromEntries(new URLSearchParams(search));
      if (route.params !== undefined) coerce(params, route.params);
      if (route.query !== undefined) coerce(query, route.query);
      const { headers } = request;
      const body = bodyOf(route, request);
      const { signal } = gone;
      const answer = await handle({ params, query, headers, body, lastEventId: undefined, gone, signal });
      return json(route.status, answer);
    }
    throw new Error(`the simulation serves no ${request.method} ${path}`);
  }
}

function servedBy(handlers: Readonly<Record<string, unknown>>): Served[] {
  return Object.entries(handlers).map(([name, handle]) => {
    const route: Route = routes[name as RouteName];
    const names = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, param = '']) => param);
    const path = new RegExp(`^${route.path.replaceAll(/\{\w+\}/g, '([^/]+)')}$`);
    return { route, path, names, handle: handle as AnyHandler };
  });
}

function bodyOf(route: Route, { body }: WireRequest): unknown {
  if (route.body === undefined || body === undefined) return undefined;
  if (typeof body !== 'string') return body;
  if (route.bodyIsLines !== true) return JSON.parse(body);
  return body
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

function json(status: number, value: unknown): Answer {
  return { status, contentType: 'application/json', body: Buffer.from(JSON.stringify(value)) };
}
