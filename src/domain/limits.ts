/** Every bound of the system. Each is checked where the value enters, and has a test past its edge. */
import { day, hour, kib, mib, minute, second } from './amounts.ts';

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
  /** Who did something, for example user@host. */
  actorLength: 128,
  /** A digest, a VM id, a driver's name. */
  factLength: 128,
  timeoutMsMin: 1,
  timeoutMsMax: 24 * hour,
  delayMsMax: 365 * day,
  /** How much longer than its back-off a worker may make a job wait that it cannot run for now. */
  retryInMsMax: 5 * minute,
  attemptsMax: 100,
  /** Both ways: from minus this to plus this. */
  priorityMax: 100,
  idempotencyKeyLength: 255,
  uniqueKeyLength: 200,
  /** Submits remembered that a unique policy answered with one job; migrations/0017_answers.sql has the same number. */
  answersPerJob: 10_000,
  /** Such answers forgotten in one commit, once the job they name is gone. */
  answersPerStep: 2_000,
  /** Labels of one job, labels of one search, and the length of their values; names have `nameLength`. */
  labelsMax: 64,
  labelsSearched: 8,
  labelValueLength: 200,
  searchTextLength: 200,
  /** Jobs one page of a search looks at, matching or not: about 10 ms of the store's time. */
  searchedPerPage: 2_000,
  /** Queues whose jobs of one state a search walks side by side; with more it walks all jobs. */
  searchPaths: 64,
  /** Jobs in one batch. */
  batchJobs: 1_000,
  /** Jobs that one job may run after, and all jobs of one batch together. */
  parentsMax: 100,
  batchParents: 10_000,
  /** Times a submit is decided anew because the job in its way changed meanwhile. */
  submitRounds: 4,
  /** Submits of one turn that are stored together. */
  submitsJoined: 64,
  memoryMiBMin: 80,
  memoryMiBMax: 65_536,
  vcpusMax: 64,
  /** Room a command may be given to write in, and processes: as many as Linux has numbers for. */
  diskMiBMin: 4,
  /** At most this share of its memory, less what is kept for its kernel and the command. */
  diskMemoryPercent: 75,
  diskMemoryKeptMiB: 64,
  pidsMax: 4_194_304,
  uidMax: 65_535,
  bodyBytes: 4 * mib,
  /** Objects and lists inside one another in a JSON body. */
  jsonDepth: 32,
  /** Whole numbers that JSON and SQLite carry exactly. */
  integerMax: 2 ** 53 - 1,
  /** Request line and headers together. */
  requestHeadBytes: 16 * kib,
  /** Open connections of one control node, and of one client. */
  connectionsMax: 10_000,
  clientConnections: 1_024,
  /** Requests under way on one connection of HTTP/1.1: those sent before the answers to earlier ones came. */
  requestsPerConnection: 32,
  /** Calls under way on one persistent connection, and bytes of answers that wait for it before no more are read. */
  callsPerConnection: 2_000,
  /** Calls of one client that wait for their answers. */
  callsWaiting: 20_000,
  answerBacklogBytes: 16 * mib,
  /** One answer on such a connection, a little less than any text can hold, and answers sent in one message. */
  answerLength: 512 * mib - 1 * kib,
  messageLength: 16 * mib,
  /** A reply the client reads whole: a page of the largest jobs, with their standard input. */
  replyBytes: 1_024 * mib,
  pageMax: 500,
  /** Specs of one page, as JSON text; the one that reaches this is the last. And how many are read at once. */
  pageSpecsLength: 64 * mib,
  specsPerRead: 100,
  /** Longest long poll, for `work` and `?wait=`. */
  waitMsMax: 60 * second,
  /** Jobs one `work` call may claim, and ends it may report. */
  workMax: 1_000,
  /** Jobs a worker may hold at once, started or not. */
  slotsMax: 1_000,
  /** Jobs a worker of light executors may hold beyond those it runs. */
  claimAheadMax: 900,
  workerImagesMax: 500,
  /** One frame between host and guest, header excluded. A longer one ends the VM. */
  frameBytes: 64 * kib,
  /** Bytes of one output stream the guest may send before the host grants more. */
  streamCreditBytes: 1 * mib,
  /** Pieces of a command's output that wait for their reader before small ones are joined out of order. */
  outputPieces: 1_000,
  /** Pings of one guest without an answer. */
  pingsInFlight: 16,
  /** Pings in a row without an answer after which a VM is given up. */
  pingsMissed: 3,
  /** One record of a log, header excluded. */
  logRecordBytes: 64 * kib,
  /** One upload of log records. */
  logUploadBytes: 1 * mib,
  /** The result a job writes, as JSON text. */
  resultBytes: 1 * mib,
  /** One artifact, all of one attempt together, how many those may be, and the UTF-8 bytes of a name. */
  artifactBytes: 1_024 * mib,
  artifactsBytes: 8_192 * mib,
  artifactsMax: 1_000,
  artifactNameBytes: 255,
  /** One upload of a part of an artifact, and one range of it that a client reads at once. */
  artifactUploadBytes: 1 * mib,
  artifactChunkBytes: 4 * mib,
  /** Files and folders a spec may name as artifacts, beside those in BLIXARD_ARTIFACTS. */
  artifactPathsMax: 64,
  /** Uploads of artifacts a control node keeps open. */
  artifactUploadsOpen: 256,
  /** Parts of one artifact that may wait for the one before. */
  artifactUploadsWaiting: 16,
  /** Jobs whose output a job may ask for, and the bytes of all that together. */
  inputsMax: 16,
  inputsBytes: 256 * mib,
  /** What a job may say with its progress, and one line it says it in. */
  progressMessageLength: 200,
  progressLineBytes: 1 * kib,
  /** Events of the progress of one attempt; migrations/0008_results.sql has the same number. */
  progressEvents: 1_000,
  /** Log bytes of one attempt a worker holds until the server has them: two uploads' worth. */
  logBufferBytes: 2 * mib,
  /** Lines of a process's own log that wait while they cannot be written. */
  ownLogWaitingBytes: 256 * kib,
  /** VM starts that may wait on one host for room, and jobs that may for processors; one more is refused. */
  vmStartsWaiting: 1_000,
  /** Images and sizes whose failed starts one host remembers; the one that failed longest ago goes first. */
  breakersMax: 1_000,
  /** What is told of the last failure, within other words. */
  breakerWhyLength: 250,
  /** VMs kept ready on one host. */
  poolMax: 1_000,
  /** Templates of one host that have a spare VMM. */
  sparesMax: 4,
  /** Service VMs on one host, and queues and tenants that have some; with more a job has a VM of its own. */
  servicesMax: 1_000,
  serviceLanesMax: 1_000,
  /** Jobs that one service VM may serve. */
  serviceJobsMax: 100_000,
  /** VMs one worker tells of: those of its jobs, those on their way out, and its pool. */
  vmsToldMax: 4_000,
  /** Images and sizes one worker tells of whose VMs are not started for now. */
  vmStopsTold: 20,
  /** Jobs one worker tells of that wait there for CPUs, memory or a VM: the first in line. */
  lackingTold: 200,
  /** Templates that wait to be built on one host; a start that wants one more goes without. */
  templatesWaiting: 16,
  /** Templates that commands ask one worker for at once, how long one waits, and what is said on the way. */
  warmsMax: 16,
  warmMsMax: 10 * minute,
  warmOrderBytes: 4 * kib,
  warmAnswerBytes: 64 * kib,
  /** Serial console kept per VM, newest last. */
  consoleBytes: 64 * kib,
  /** One line of what QEMU says on its control channel. */
  qmpLineBytes: 64 * kib,
  /** Newest bytes kept of what a VMM writes about itself. */
  vmmStderrBytes: 8 * kib,
  /** An image's manifest as stored JSON. */
  imageManifestBytes: 64 * kib,
  /** Debian packages one image may be asked to have, and the length of their names. */
  imagePackages: 50,
  packageNameLength: 64,
  /** Output of one program that an image build runs. */
  buildOutputBytes: 1 * mib,
  /** Statements in one batch and batches in one group commit. */
  batchStatements: 5_000,
  groupCommitBatches: 500,
  /** Batches that may wait for a commit before callers are told to slow down. */
  writeQueue: 20_000,
  /** Jobs that become due in one commit, and workers looked at together whose lease is over. */
  dueJobsPerBatch: 500,
  overdueWorkersPerLook: 20,
  /** Workers that are offline, looked at by each registration for those to forget. */
  offlineWorkersPerLook: 100,
  /** Times an attempt's end is decided anew because it changed meanwhile; it can start, and be cancelled, once. */
  endRounds: 4,
  /** Attempts of a job that workers may have ended because its VM is too large for them, while another has room. */
  placementsMax: 100,
  concurrencyKeyLength: 128,
  /** Jobs of a queue, or of one key, held at once. */
  concurrencyMax: 10_000,
  /** Weights of one queue, and how much one may weigh. */
  weightsMax: 100,
  weightMax: 100,
  /** Starts of a rate, and the time they are for; their product with epoch ms stays a whole number of the store. */
  rateMax: 100_000,
  ratePerMsMax: day,
  /** Lines of a queue that one claim looks at, and jobs it takes from one of them. */
  lineClaimMax: 32,
  /** Longest time an ended job can be kept, other than for ever. */
  retentionMsMax: 3_650 * day,
  /** Shortest time events are kept: over the back-off of a webhook's delivery and of a follower. */
  retainEventsMsMin: hour,
  /** Jobs moved, cancelled or forgotten together in one commit, and children told that a parent has ended. */
  jobsPerStep: 500,
  /** Events forgotten in one commit. */
  eventsPerStep: 2_000,
  /** A cron expression, and the name of a time zone. */
  cronLength: 128,
  timeZoneLength: 64,
  /** Missed slots of a schedule that may be made up for. */
  catchUpMax: 100,
  /** Slots of one schedule looked at together; those before them are told as one number. */
  slotsPerLook: 256,
  /** Schedules that are due, and runs whose jobs are submitted, handled together. */
  schedulesPerLook: 100,
  /** Newest runs kept of each schedule; more than one decision makes. */
  scheduleRunsKept: 200,
  /** Jobs of one schedule that may wait for the one that runs; more slots are skipped. */
  scheduleWaitingMax: 128,
  /** Times a change of a schedule is tried anew because another one came first. */
  scheduleRounds: 4,
  /** Pairs of queue and state told by the totals. */
  countsMax: 4_000,
  /** Prepared statements kept per connection. */
  preparedStatements: 500,
  /** SQL texts known to be fine, kept so that each is read once. */
  checkedTexts: 1_000,
  /** Followers of logs, and of events, per control node. */
  followersMax: 1_000,
  /** Log bytes of one reader in memory at once. */
  logChunkBytes: 128 * kib,
  /** Logs a control node keeps open. */
  openLogs: 256,
  /** Uploads to one log that may wait for the one before. */
  logUploadsWaiting: 16,
  /** Events read at once for one follower or webhook. */
  eventPage: 500,
  webhookPage: 100,
  /** Events looked at for one page of those that pass a filter. */
  eventScanMax: 10_000,
  webhooksMax: 100,
  webhookUrlLength: 2_048,
  webhookKinds: 32,
  /** Newest deliveries kept per webhook. */
  webhookDeliveriesKept: 200,
  /** Tries of one delivery, the first included: about 11 min with their back-off. Then the next event's turn comes. */
  webhookTriesMax: 8,
  /** A receiver's `Retry-After` counts up to this. */
  webhookRetryAfterMsMax: hour,
  /** Bytes of a receiver's answer that are read, and thrown away. */
  webhookAnswerBytes: 64 * kib,
  /** Events a webhook may pass over before its place is stored. */
  webhookCursorStep: 1_000,
  /** Test deliveries and redeliveries under way at once on one control node. */
  webhookSendsMax: 16,
  /** Tries of a call that is safe to repeat, the first included. */
  callTries: 3,
  /** Tries in a row of a follower that was cut off and gets nothing: about 20 s with their back-off. */
  followTries: 10,
  /** Rows the verifier reads at once, and violations of one rule it tells. */
  verifyPage: 1_000,
  violationsShown: 20,
  /** Bytes of a file of side effects whose lines the verifier remembers at once; a longer one is read again. */
  effectsPassBytes: 64 * mib,
} as const;

/** One step of priority is worth this much waiting; migrations/0002_submit.sql computes with the same number. */
export const priorityStepMs = minute;

/** A job whose attempts keep failing for reasons that are not its own ends as failed after this many. */
export const infraFailuresMax = 10;

/** And after this many when a worker finds that the image is at fault, not its host. */
export const imageFailuresMax = 3;
