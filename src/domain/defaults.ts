/** What holds where nobody said otherwise, each value once. */
import { day, mib, minute, second } from './amounts.ts';

/** What holds where nobody said otherwise. */
export const defaults = {
  queue: 'default',
  image: 'base',
  executor: 'microvm',
  functionExecutor: 'function',
  tenant: 'default',
  isolation: 'standard',
  memoryMiB: 128,
  vcpus: 1,
  timeoutMs: 10 * minute,
  attemptsMax: 1,
  cwd: '/root',
  /** Spawn of the VMM to the agent's hello; measured 1.4 s under software emulation. */
  bootTimeoutMs: 10 * second,
  /** Room on disk for templates, some 100 MiB each. */
  templateBytes: 2_048 * mib,
  /** Room on disk for downloaded packages after a collection of garbage. */
  packageCacheBytes: 1_024 * mib,
  /** How long an image stays in demand after its last job. */
  poolCoolDownMs: 10 * minute,
  /** Between two pings of a VM that serves a job, and how long an answer may take. */
  pingEveryMs: 5 * second,
  pingTimeoutMs: 10 * second,
  /** How long a service VM waits for the next job of its queue and tenant. */
  serviceIdleMs: 5 * minute,
  /** A service VM is ended after so many jobs, so long, or with so much of its memory taken, in percent (86 were
   * the most seen after jobs that used all they could). */
  serviceJobsMax: 100,
  serviceUptimeMaxMs: 60 * minute,
  serviceMemoryPercentMax: 90,
  /** How long the reset between two jobs may take; it takes some 60 ms under software emulation. */
  serviceResetMs: 5 * second,
  /** SIGTERM to the kill of the VM, when a command is stopped. */
  stopGraceMs: 5 * second,
  /** A function that is still under way after this long is told as running. */
  lightStartToldMs: 100,
  /** Light jobs are claimed ahead as many as are done in this time, and those that wait this long go back. */
  claimAheadMs: 20,
  claimAheadPatienceMs: 1 * second,
  /** How long running jobs may go on after their worker was told to stop. */
  drainGraceMs: 30 * second,
  /** How long an ended command's output may take to reach the server before the end is told without it. */
  outputDrainMs: 30 * second,
  /** Between two calls that tell the progress of one attempt. */
  progressEveryMs: 1 * second,
  /** How long an ended command's guest may take, waits for the server left out, to hand over what it left. */
  collectWaitMs: 5 * minute,
  /** How long the last of its progress may take. */
  progressDrainMs: 2 * second,
  /** How long ended jobs are kept; a failed one may be looked at, or redriven, later. */
  retainCompletedMs: 7 * day,
  retainFailedMs: 30 * day,
  retainCancelledMs: 7 * day,
  retainEventsMs: 30 * day,
  /** How long a worker that is offline is kept. */
  retainWorkersMs: 30 * day,
  heartbeatMs: 5 * second,
  leaseMs: 15 * second,
  /** Log kept per attempt: half from the start, half from the end. */
  logBytes: 64 * mib,
  pageSize: 50,
  timeZone: 'UTC',
  catchUp: 'one',
  catchUpMax: 10,
  overlap: 'queue',
  /** A slot not later than this is on time, whatever the schedule says of missed ones. */
  slotOnTimeMs: 10 * second,
  /** Longest sleep towards what is due: a step of the wall clock is noticed after it, without asking the store. */
  clockCheckMs: 10 * second,
  /** Coming slots, and newest runs, told with a schedule. */
  scheduleSlotsShown: 3,
  scheduleRunsShown: 10,
  port: 3020,
  /** A webhook's receiver must have answered whole by then. */
  webhookTimeoutMs: 10 * second,
  /** How long a webhook may pass over events until its place is stored. */
  webhookPlaceMs: 60 * minute,
  /** Silence on a followed log until a comment tells that the server is there. */
  followHeartbeatMs: 15 * second,
  /** Silence after which a follower takes the connection for lost: three heartbeats. */
  followSilenceMs: 45 * second,
  /** A call that does not wait for anything. */
  callTimeoutMs: 30 * second,
  connectTimeoutMs: 5 * second,
  /** A persistent connection is pinged so often, and taken for lost when nothing was heard three times as long. */
  callsPingMs: 30 * second,
  /**
   * Who makes one call after another on a persistent connection is answered within moments, and comes with the next
   * within moments: so long client and server wait for that without sleep, where it came as quickly the last time.
   */
  answerBusyMs: 1,
  nextCallBusyMs: 0.5,
  /** After a server refused a persistent connection, calls go over plain HTTP for this long. */
  callsRefusedMs: 60 * second,
  /** A request's head, and the whole of it, must have arrived by then. */
  requestHeadTimeoutMs: 10 * second,
  requestTimeoutMs: 30 * second,
  /** Silence both ways on a connection: over the longest long poll and the heartbeat of a follower. */
  connectionSilenceMs: 120 * second,
  keepAliveMs: 72 * second,
  /** Replies still under way at close, then they are cut. */
  closeGraceMs: 5 * second,
} as const;
