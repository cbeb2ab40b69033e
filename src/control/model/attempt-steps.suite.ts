/** Steps of the model test: what attempts tell, those that are held and those that were lost. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { lookAt, sha256Of } from './look.suite.ts';
import type { ModelJob } from './model-parts.suite.ts';
import { type Pair, step } from './pair.suite.ts';
import { workerCount } from './work-steps.suite.ts';

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
  readonly speaker: Speaker;
  readonly percent: number | null;
  readonly message: string;
}

const progress = step('progress', async (pair, { speaker, percent, message }: TellProgress) => {
  const spoken = spokenBy(pair, speaker);
  if (spoken === undefined) return;
  const { job, attempt, holder, isHolder } = spoken;
  const telling = pair.control.results.progress(job.id, attempt, { ...holder, percent, message });
  if (!isHolder) return await pair.refused(telling, 'FENCED');
  await telling;
  job.told.progress = { attempt, percent, message, atMs: pair.nowMs };
  await lookAt(pair, job);
});

const result = step('result', async (pair, { speaker, text }: { speaker: Speaker; text: string }) => {
  const spoken = spokenBy(pair, speaker);
  if (spoken === undefined) return;
  const { job, attempt, holder, isHolder } = spoken;
  const telling = pair.control.results.result(job.id, attempt, holder, Buffer.from(text));
  if (text === brokenText) return await pair.refused(telling, 'RESULT_INVALID');
  if (!isHolder) return await pair.refused(telling, 'FENCED');
  await telling;
  job.told.result = { attempt, text };
  await lookAt(pair, job);
});

interface SendArtifact {
  readonly speaker: Speaker;
  readonly file: string;
  readonly text: string;
  readonly inParts: boolean;
  /** Its worker means other bytes. */
  readonly damaged: boolean;
}

const artifact = step('artifact', async (pair, { speaker, ...sent }: SendArtifact) => {
  const spoken = spokenBy(pair, speaker);
  if (spoken === undefined) return;
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
  await lookAt(pair, job);
});

/** One that has just lost its attempt may have been let in before. */
async function sendLate(pair: Pair, { job, attempt, holder }: Spoken): Promise<void> {
  const { results, workers } = pair.control;
  await pair.refused(workers.assertHolds(job.id, attempt, holder), 'FENCED');
  const part = { ...holder, name: 'late', offset: 0, sha256: sha256Of('late') };
  await pair.refused(results.artifact(job.id, attempt, part, Buffer.from('late')), 'FENCED');
}

const look = step('look', async (pair, { job: index }: { job: number }) => {
  const job = pair.job(index);
  if (job !== undefined) await lookAt(pair, job);
});

/** A job that runs looks for what those before it have left. */
const readInputs = step('readInputs', async (pair, { worker }: { worker: number }) => {
  for (const { inputs } of pair.model.heldBy(worker))
    for (const input of inputs) if (pair.model.jobs.includes(input)) await lookAt(pair, input);
});

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
  attemptsAgo: fc.constantFrom(0, 0, 1),
  generationsAgo: fc.constantFrom(0, 0, 1),
});
const speaker: fc.Arbitrary<Speaker> = fc.oneof(
  { weight: 3, arbitrary: holding },
  { weight: 2, arbitrary: anybody },
);
const brokenText = '{"a":';

/** All steps of this family. */
export const attemptSteps = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .record({
        speaker,
        percent: fc.constantFrom(null, 0, 40, 100),
        message: fc.constantFrom('', 'half'),
      })
      .map(progress),
  },
  {
    weight: 3,
    arbitrary: fc.record({ speaker, text: fc.constantFrom('null', '{"a": 1}', brokenText) }).map(result),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({
        speaker,
        file: fc.constantFrom('a', 'out/b'),
        text: fc.constantFrom('', 'one', 'two'),
        inParts: fc.boolean(),
        damaged: fc.constantFrom(false, false, false, true),
      })
      .map(artifact),
  },
  { weight: 1, arbitrary: fc.record({ job: fc.nat(7) }).map(look) },
  { weight: 1, arbitrary: fc.record({ worker }).map(readInputs) },
);
