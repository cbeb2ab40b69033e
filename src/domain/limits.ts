/** Every bound of the system. Each is checked where the value enters, and has a test past its edge. */

const kib = 1024;
const mib = 1024 * kib;
const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

export const limits = {
  /** A job's spec as stored JSON. */
  jobSpecBytes: 256 * kib,
  argvEntries: 1_000,
  /** One argument or environment value; Linux refuses an argv string over 128 KiB (MAX_ARG_STRLEN). */
  argBytes: 128 * kib - 1,
  envEntries: 256,
  envNameLength: 128,
  stdinBytes: 1 * mib,
  pathLength: 4_095,
  nameLength: 64,
  reasonLength: 500,
  timeoutMsMin: 1,
  timeoutMsMax: 24 * hour,
  delayMsMax: 365 * day,
  attemptsMax: 100,
  memoryMiBMin: 80,
  memoryMiBMax: 65_536,
  vcpusMax: 64,
  uidMax: 65_535,
  bodyBytes: 4 * mib,
  pageMax: 500,
  /** Longest long poll, for `work` and `?wait=`. */
  waitMsMax: 60 * second,
  /** Jobs one `work` call may claim, and ends it may report. */
  workMax: 1_000,
  /** Jobs a worker may hold at once, started or not. */
  slotsMax: 1_000,
  workerImagesMax: 500,
  /** One frame between host and guest, header excluded. A longer one ends the VM. */
  frameBytes: 64 * kib,
  /** Bytes of one output stream the guest may send before the host grants more. */
  streamCreditBytes: 1 * mib,
  /** One record of a log, header excluded. */
  logRecordBytes: 64 * kib,
  /** One upload of log records. */
  logUploadBytes: 1 * mib,
  /** Serial console kept per VM, newest last. */
  consoleBytes: 64 * kib,
  /** One line from the hypervisor's control channel. */
  qmpLineBytes: 1 * mib,
  /** Statements in one batch and batches in one group commit. */
  batchStatements: 5_000,
  groupCommitBatches: 500,
  /** Batches that may wait for a commit before callers are told to slow down. */
  writeQueue: 20_000,
  /** Log followers per control node. */
  followersMax: 1_000,
} as const;

/** A job whose attempts keep failing for reasons that are not its own ends as failed after this many. */
export const infraFailuresMax = 10;

/** What holds where nobody said otherwise. */
export const defaults = {
  queue: 'default',
  image: 'base',
  executor: 'microvm',
  memoryMiB: 128,
  vcpus: 1,
  timeoutMs: 10 * minute,
  attemptsMax: 1,
  cwd: '/root',
  heartbeatMs: 5 * second,
  leaseMs: 15 * second,
  /** Log kept per attempt: half from the start, half from the end. */
  logBytes: 64 * mib,
  pageSize: 50,
  port: 3020,
} as const;
