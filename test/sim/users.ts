/** What users do in a run: random calls of the real SDK, one function per kind; add a new command here. */
import { BlixardClient } from '../../src/client/client.ts';
import type { SubmitJob } from '../../src/contract/job.ts';
import { keyPolicies, type Redrive, type SetQueue } from '../../src/contract/queue.ts';
import { type ErrorCode, isBlixardError } from '../../src/domain/errors.ts';
import { endReasonNames } from '../../src/domain/job.ts';
import { type Ids, makeIds } from '../../src/platform/random.ts';
import type { Chance } from './chance.ts';
import { keys, queues, randomJob } from './jobs.ts';
import type { Network } from './network.ts';
import type { SimProcess, SimTime } from './time.ts';

const scheduleNames = ['often', 'rare'] as const;

/** What may be said to a user in a world where anything can be lost and others act at the same time. */
const expected: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'SERVER_UNREACHABLE',
  'STORE_UNAVAILABLE',
  'OVERLOADED',
  'JOB_NOT_FOUND',
  'JOB_NOT_ENDED',
  'JOB_INVALID_TRANSITION',
  'UNIQUE_CONFLICT',
  'IDEMPOTENCY_CONFLICT',
  'BATCH_LINE_REFUSED',
  'WORKER_NOT_FOUND',
  'SCHEDULE_NOT_FOUND',
  'QUEUE_NOT_FOUND',
  'QUEUE_IN_USE',
  'PARENT_UNKNOWN',
  'GROUP_NOT_FOUND',
]);

interface UsersDeps {
  readonly time: SimTime;
  readonly chance: Chance;
  readonly network: Network;
  readonly process: SimProcess;
  readonly workerIds: () => readonly string[];
  readonly onBug: (error: unknown) => void;
}

/** All users; their calls take their time, so that many are under way at once. */
export class Users {
  /** Ids of submits that were answered. */
  readonly accepted = new Set<string>();
  /** Ids that a user had forgotten, or that retention may have taken. */
  mayForget = false;
  /** A user has told a worker to leave. */
  hasRemovedWorker = false;
  readonly client: BlixardClient;
  readonly #deps: UsersDeps;
  readonly #ids: Ids;
  readonly #sent: string[] = [];
  readonly #underWay = new Set<string>();
  readonly #idempotent = new Map<string, string>();

  constructor(deps: UsersDeps) {
    this.#deps = deps;
    const { time, chance, network, process } = deps;
    const clock = time.clockOf(process);
    this.#ids = makeIds(clock, chance.random);
    this.client = new BlixardClient({ transport: network.wireOf(process), clock, random: chance.random });
  }

  /** Calls that have no answer yet. */
  get underWay(): readonly string[] {
    return [...this.#underWay];
  }

  /** Does something, as the weights say. */
  act(): void {
    const act = this.#deps.chance.weighted(this.#acts);
    if (act !== undefined) this.#begin(act);
  }

  #begin(act: () => Promise<unknown>): void {
    const name = `${act.name} ${this.#sent.length} ${this.#underWay.size}`;
    const { time, onBug } = this.#deps;
    time.say(`user: ${act.name}`);
    this.#underWay.add(name);
    act()
      .catch((error: unknown) => {
        if (isBlixardError(error) && expected.has(error.code))
          time.say(`user: ${act.name} got ${error.code}`);
        else onBug(error);
      })
      .finally(() => this.#underWay.delete(name));
  }

  readonly #submit = async (): Promise<void> => {
    const body = this.#job();
    if (this.#deps.chance.of(0.15)) return this.#submitIdempotent(body);
    const { id } = await this.client.call('submitJob', { body });
    this.accepted.add(id);
  };

  readonly #submitBatch = async (): Promise<void> => {
    const bodies = Array.from({ length: this.#deps.chance.from(2, 4) }, () => this.#job(false));
    const { jobs } = await this.client.call('submitJobs', { body: bodies });
    for (const { id } of jobs) this.accepted.add(id);
  };

  readonly #cancel = async (): Promise<void> => {
    await this.client.call('cancelJob', { params: { id: this.#someId() }, body: { reason: 'simulated' } });
  };

  readonly #retry = async (): Promise<void> => {
    const body = this.#deps.chance.of(0.5) ? {} : { delayMs: this.#deps.chance.from(1, 5_000) };
    await this.client.call('retryJob', { params: { id: this.#someId() }, body });
  };

  readonly #wait = async (): Promise<void> => {
    await this.client.call('getJob', { params: { id: this.#someId() }, query: { waitMs: 5_000 } });
  };

  readonly #pause = async (): Promise<void> => {
    await this.client.call('pauseQueue', { params: { name: this.#queue() } });
  };

  readonly #resume = async (): Promise<void> => {
    await this.client.call('resumeQueue', { params: { name: this.#queue() } });
  };

  readonly #setQueue = async (): Promise<void> => {
    const { chance } = this.#deps;
    const limit = (): number | null => chance.pick([null, 1, 2]);
    const retention = chance.of(0.3) ? { completedMs: 5_000, failedMs: 20_000, cancelledMs: 1_000 } : {};
    if ('completedMs' in retention) this.mayForget = true;
    const rate = (): NonNullable<SetQueue['rateLimit']> | null =>
      chance.of(0.2) ? { max: chance.from(1, 3), perMs: chance.pick([500, 5_000]) } : null;
    const fairBy = chance.pick(['none', 'tenant', 'key']);
    const body: SetQueue = {
      ...{ concurrencyMax: limit(), concurrencyMaxPerKey: limit(), retention },
      ...{ keyPolicy: chance.any(keyPolicies) ?? 'wait', fairBy, rateLimit: rate() },
      ...(fairBy === 'none' || chance.of(0.5) ? {} : { weights: { a: 3 } }),
      ...(fairBy === 'tenant' ? {} : { rateLimitPerKey: rate() }),
    };
    await this.client.call('setQueue', { params: { name: this.#queue() }, body });
  };

  readonly #deleteQueue = async (): Promise<void> => {
    // Its ended jobs are kept as long as the defaults say from then on.
    this.mayForget = true;
    await this.client.call('deleteQueue', { params: { name: this.#queue() } });
  };

  readonly #redrive = async (): Promise<void> => {
    const { chance } = this.#deps;
    const reason = chance.any(endReasonNames) ?? 'exit';
    const body: Redrive = chance.pick<Redrive>([{}, { ids: [this.#someId()] }, { reason, limit: 1 }]);
    await this.client.call('redriveQueue', { params: { name: this.#queue() }, body });
  };

  readonly #purge = async (): Promise<void> => {
    this.mayForget = true;
    const body = this.#deps.chance.of(0.5) ? {} : { olderThanMs: 5_000, limit: 1 };
    await this.client.call('purgeQueue', { params: { name: this.#queue() }, body });
  };

  readonly #remove = async (): Promise<void> => {
    this.mayForget = true;
    await this.client.call('removeJob', { params: { id: this.#someId() } });
  };

  readonly #setSchedule = async (): Promise<void> => {
    const { chance } = this.#deps;
    const { id: _, runAtMs: __, ...job } = this.#job(false);
    await this.client.call('setSchedule', {
      params: { name: chance.pick(scheduleNames) },
      body: {
        cron: chance.pick(['*/5 * * * * *', '*/20 * * * * *', '0 * * * * *']),
        job,
        overlap: chance.pick(['skip', 'queue', 'replace']),
        catchUp: chance.pick(['none', 'one', 'all']),
        catchUpMax: 3,
      },
    });
  };

  readonly #changeSchedule = async (): Promise<void> => {
    const { chance } = this.#deps;
    const name = chance.pick(['triggerSchedule', 'pauseSchedule', 'resumeSchedule', 'deleteSchedule']);
    await this.client.call(name, { params: { name: chance.pick(scheduleNames) } });
  };

  readonly #drainWorker = async (): Promise<void> => {
    const id = this.#deps.chance.any(this.#deps.workerIds());
    if (id !== undefined) await this.client.call('drainWorker', { params: { id } });
  };

  readonly #removeWorker = async (): Promise<void> => {
    const id = this.#deps.chance.any(this.#deps.workerIds());
    this.hasRemovedWorker = true;
    if (id !== undefined) await this.client.call('removeWorker', { params: { id } });
  };

  readonly #cancelGroup = async (): Promise<void> => {
    const name = this.#deps.chance.pick(keys);
    await this.client.call('cancelGroup', { params: { name }, body: {} });
  };

  readonly #waitGroup = async (): Promise<void> => {
    const name = this.#deps.chance.pick(keys);
    await this.client.call('getGroup', { params: { name }, query: { waitMs: 5_000 } });
  };

  readonly #list = async (): Promise<void> => {
    await this.client.call('listJobs', { query: { queue: this.#queue(), limit: 5 } });
  };

  readonly #acts: readonly (readonly [number, () => Promise<unknown>])[] = [
    [9, this.#submit],
    [1, this.#submitBatch],
    [3, this.#cancel],
    [1.5, this.#retry],
    [0.7, this.#wait],
    [0.5, this.#pause],
    [0.8, this.#resume],
    [1.2, this.#setQueue],
    [0.3, this.#deleteQueue],
    [0.4, this.#redrive],
    [0.3, this.#purge],
    [0.3, this.#remove],
    [0.4, this.#setSchedule],
    [0.5, this.#changeSchedule],
    [0.15, this.#drainWorker],
    [0.15, this.#removeWorker],
    [0.3, this.#cancelGroup],
    [0.3, this.#waitGroup],
    [0.3, this.#list],
  ];

  /** Undoes what would keep jobs waiting for ever. */
  async makePeace(): Promise<void> {
    for (const name of scheduleNames)
      await this.#orNone(this.client.call('deleteSchedule', { params: { name } }));
    for (const name of queues) await this.client.call('resumeQueue', { params: { name } });
  }

  async #orNone(call: Promise<unknown>): Promise<void> {
    try {
      await call;
    } catch (error) {
      if (!isBlixardError(error, 'SCHEDULE_NOT_FOUND')) throw error;
    }
  }

  /** The same key and body again give the same job. */
  async #submitIdempotent(job: SubmitJob): Promise<void> {
    const key = `key-${this.#deps.chance.from(1, 3)}`;
    const headers = { 'idempotency-key': key };
    const { command } = job;
    const { id } = await this.client.call('submitJob', { body: { id: this.#sentId(), command }, headers });
    this.accepted.add(id);
    const before = this.#idempotent.get(key);
    this.#idempotent.set(key, id);
    if (before !== undefined && before !== id && !this.mayForget)
      this.#deps.onBug(new Error(`idempotency key ${key} gave ${before} and then ${id}`));
  }

  #job(alone = true): SubmitJob & { id: string } {
    const after = alone ? [...new Set([this.#someId(), this.#someId()])] : undefined;
    return { id: this.#sentId(), ...randomJob(this.#deps.chance, after) };
  }

  #sentId(): string {
    const id = this.#ids();
    this.#sent.push(id);
    return id;
  }

  /** Mostly one of the newest: more can happen to it. */
  #someId(): string {
    const { chance } = this.#deps;
    const recent = chance.of(0.7) ? this.#sent.slice(-6) : this.#sent;
    return chance.any(recent) ?? this.#ids();
  }

  #queue(): string {
    return this.#deps.chance.pick(queues);
  }
}
