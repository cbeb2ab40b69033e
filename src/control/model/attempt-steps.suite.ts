/** Steps of the model test: what attempts tell, those that are held and those that were lost. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { AttemptDone } from '../../contract/worker.ts';
import { passWithWorkers } from './flow-steps.suite.ts';
import { lookAt, sha256Of } from './look.suite.ts';
import type { ModelJob } from './model-parts.suite.ts';
import { type Pair, type Step, step } from './pair.suite.ts';
import { claimAndStart, end, registerAnew, workerCount } from './work-steps.suite.ts';

interface Speaker {
  readonly worker: number;
  readonly job: number;
  /** Of any job; else of one that the worker holds. */
  readonly any: boolean;
  /** How many attempts, and how many generations, it is behind. */
  readonly attemptsAgo: number;
  readonly generationsAgo: number;
}

interface Spoken {
  readonly job: ModelJob;
  readonly attempt: number;
  readonly holder: { readonly workerId: string; readonly generation: number };
  readonly isHolder: boolean;
}

/** Undefined when there is nothing to speak of. */
function spokenBy(pair: Pair, speaker: Speaker): Spoken | undefined {
  const { worker: index, attemptsAgo, generationsAgo } = speaker;
  const held = pair.model.heldBy(index);
  const job = speaker.any ? pair.job(speaker.job) : held.at(speaker.job % Math.max(1, held.length));
  const worker = pair.worker(index);
  if (job === undefined) return undefined;
  const [attempt, generation] = [job.attempt - attemptsAgo, worker.generation - generationsAgo];
  if (attempt < 1 || generation < 1) return undefined;
  const isHolder = job.holder?.worker === index && attemptsAgo + generationsAgo === 0;
  return { job, attempt, holder: { workerId: worker.id, generation }, isHolder };
}

interface TellProgress {
  readonly percent: number | null;
  readonly message: string;
}

async function tellProgress(pair: Pair, spoken: Spoken, { percent, message }: TellProgress): Promise<void> {
  const { job, attempt, holder, isHolder } = spoken;
  const telling = pair.control.results.progress(job.id, attempt, { ...holder, percent, message });
  if (!isHolder) return await pair.refused(telling, 'FENCED');
  await telling;
  job.told.progress = { attempt, percent, message, atMs: pair.nowMs };
}

async function tellResult(pair: Pair, spoken: Spoken, { text }: { text: string }): Promise<void> {
  const { job, attempt, holder, isHolder } = spoken;
  const telling = pair.control.results.result(job.id, attempt, holder, Buffer.from(text));
  if (text === brokenText) return await pair.refused(telling, 'RESULT_INVALID');
  if (!isHolder) return await pair.refused(telling, 'FENCED');
  await telling;
  job.told.result = { attempt, text };
}

interface SendArtifact {
  readonly file: string;
  readonly text: string;
  readonly inParts: boolean;
  /** Its worker means other bytes. */
  readonly damaged: boolean;
}

async function sendArtifact(pair: Pair, spoken: Spoken, sent: SendArtifact): Promise<void> {
  if (!spoken.isHolder) return await sendLate(pair, spoken);
  const { job, attempt, holder } = spoken;
  const { file, text, damaged } = sent;
  await pair.control.workers.assertHolds(job.id, attempt, holder);
  const kept = job.told.artifacts.find((each) => each.attempt === attempt && each.file === file);
  const send = (offset: number, end: number, sha256?: string): Promise<number> => {
    const part = { ...holder, name: file, offset, ...(sha256 !== undefined && { sha256 }) };
    return pair.control.results.artifact(job.id, attempt, part, Buffer.from(text.slice(offset, end)));
  };
  const cut = sent.inParts && kept === undefined ? Math.min(1, text.length) : 0;
  if (cut > 0) expect(await send(0, cut)).toBe(cut);
  const sending = send(cut, text.length, sha256Of(damaged ? `not ${text}` : text));
  if (damaged || (kept !== undefined && kept.text !== text))
    return await pair.refused(sending, 'ARTIFACT_REFUSED');
  expect(await sending).toBe(text.length);
  // Sent again because the answer was lost, it is there once.
  if (kept === undefined) job.told.artifacts.push({ attempt, file, text });
}

/** One that has just lost its attempt may have been let in before. */
async function sendLate(pair: Pair, { job, attempt, holder }: Spoken): Promise<void> {
  const { results, workers } = pair.control;
  await pair.refused(workers.assertHolds(job.id, attempt, holder), 'FENCED');
  const part = { ...holder, name: 'late', offset: 0, sha256: sha256Of('late') };
  await pair.refused(results.artifact(job.id, attempt, part, Buffer.from('late')), 'FENCED');
}

/** A step of which the values say what is told, and by whom. */
function said<V extends object>(
  name: string,
  tell: (pair: Pair, spoken: Spoken, values: V) => Promise<void>,
): (values: { speaker: Speaker; told: V }) => Step {
  return step(name, async (pair, { speaker, told }) => {
    const spoken = spokenBy(pair, speaker);
    if (spoken === undefined) return;
    await tell(pair, spoken, told);
    await lookAt(pair, spoken.job);
  });
}

interface Life {
  readonly worker: number;
  readonly progress: TellProgress | undefined;
  readonly result: { readonly text: string } | undefined;
  readonly artifact: SendArtifact | undefined;
  /** Undefined: it goes on. */
  readonly end: Partial<AttemptDone> | undefined;
}

/** An attempt from its claim to its end, and a back-off after it. */
const live = step('live', async (pair, { worker: index, progress, result, artifact, end: how }: Life) => {
  if (pair.known(index).state !== 'online') await registerAnew(pair, index);
  await claimAndStart(pair, index);
  const job = pair.model.heldBy(index, 'running').at(-1);
  if (job === undefined) return;
  await lookAtInputs(pair, job);
  const { id: workerId, generation } = pair.worker(index);
  const spoken = { job, attempt: job.attempt, holder: { workerId, generation }, isHolder: true };
  if (progress !== undefined) await tellProgress(pair, spoken, progress);
  if (result !== undefined) await tellResult(pair, spoken, result);
  if (artifact !== undefined) await sendArtifact(pair, spoken, artifact);
  await lookAt(pair, job);
  if (how === undefined) return;
  await pair.work(index, 0, [pair.report(job, how)], job);
  await lookAt(pair, job);
  await passWithWorkers(pair, 5_000);
});

const look = step('look', async (pair, { job: index }: { job: number }) => {
  const job = pair.job(index);
  if (job !== undefined) await lookAt(pair, job);
});

const readInputs = step('readInputs', async (pair, { worker }: { worker: number }) => {
  for (const job of pair.model.heldBy(worker)) await lookAtInputs(pair, job);
});

/** A job that runs looks for what those before it have left. */
async function lookAtInputs(pair: Pair, { inputs }: ModelJob): Promise<void> {
  for (const input of inputs) if (pair.model.jobs.includes(input)) await lookAt(pair, input);
}

const worker = fc.nat(workerCount - 1);
const holding = fc.record({
  worker,
  job: fc.nat(3),
  any: fc.constant(false),
  attemptsAgo: fc.constant(0),
  generationsAgo: fc.constant(0),
});
const anybody = fc.record({
  worker,
  job: fc.nat(7),
  any: fc.boolean(),
  attemptsAgo: fc.constantFrom(0, 0, 0, 1),
  generationsAgo: fc.constantFrom(0, 1),
});
const speaker: fc.Arbitrary<Speaker> = fc.oneof(
  { weight: 1, arbitrary: holding },
  { weight: 1, arbitrary: anybody },
);
const brokenText = '{"a":';

const told = {
  progress: fc.record({
    percent: fc.constantFrom(null, 0, 40, 100),
    message: fc.constantFrom('', 'half'),
  }),
  result: fc.record({ text: fc.constantFrom('null', '{"a": 1}', brokenText) }),
  artifact: fc.record({
    file: fc.constantFrom('a', 'out/b'),
    text: fc.constantFrom('', 'one', 'two'),
    inParts: fc.boolean(),
    damaged: fc.constantFrom(false, false, false, true),
  }),
};
const maybe = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(values, { nil: undefined, freq: 3 });

/** Attempts of few jobs, one after another. */
export const lifeSteps = fc
  .record({
    worker,
    progress: maybe(told.progress),
    result: maybe(told.result),
    artifact: maybe(told.artifact),
    end: fc.option(fc.oneof(fc.constant({ reason: 'exit', exitCode: 0 } as const), end), {
      nil: undefined,
      freq: 4,
    }),
  })
  .map(live);

/** All steps of this family. */
export const attemptSteps = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ speaker, told: told.progress }).map(said('progress', tellProgress)),
  },
  { weight: 3, arbitrary: fc.record({ speaker, told: told.result }).map(said('result', tellResult)) },
  { weight: 3, arbitrary: fc.record({ speaker, told: told.artifact }).map(said('artifact', sendArtifact)) },
  { weight: 1, arbitrary: fc.record({ job: fc.nat(7) }).map(look) },
  { weight: 1, arbitrary: fc.record({ worker }).map(readInputs) },
);
