/** What commands and clients wrote beside the store: side effects of attempts, and submits that were answered. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { isUuidV7, timeOfUuidV7 } from '../../domain/ids.ts';
import { limits } from '../../domain/limits.ts';
import type { Row } from '../../store/database.ts';
import type { StoreSnapshot } from '../../store/sqlite/snapshot.ts';
import { integerOrNull } from '../../store/statements/columns.ts';
import type { Findings } from '../../store/verify/findings.ts';
import { traceOfJob } from '../../store/verify/reads.ts';

/** A job id, and the number of an attempt. */
const effectLine = /^([\w-]{1,64}) ([1-9]\d{0,8})$/;

/**
 * I6: each line `jobId attempt` once, of an attempt that was started. However long the file, it remembers the lines
 * of one pass only.
 */
export async function verifyEffects(
  file: string,
  store: StoreSnapshot,
  found: Findings,
  passBytes: number = limits.effectsPassBytes,
): Promise<void> {
  const { size } = await stat(file);
  const passes = Math.max(1, Math.ceil(size / passBytes));
  let lines = 0;
  for (let pass = 0; pass < passes; pass++) {
    const seen = new Set<string>();
    for await (const line of linesOf(file)) {
      if (pass === 0) lines++;
      if (!effectLine.test(line)) {
        if (pass === 0) found.violated('I6', 'a line is not "jobId attempt"', line.slice(0, 100));
      } else if (passes === 1 || passOf(line, passes) === pass) {
        if (seen.has(line)) found.violated('I6', 'an attempt had its side effect more than once', line);
        else await assertStarted(line, store, found);
        seen.add(line);
      }
    }
  }
  found.looked('I6', 'side effects', 'side effects', lines);
}

async function assertStarted(line: string, store: StoreSnapshot, found: Findings): Promise<void> {
  const [, id = '', attempt] = effectLine.exec(line) ?? [];
  const trace = await traceOf(store, id, Number(attempt), ({ started }) => started === 0);
  if (trace['started'] === 0 && !mayBeForgotten(id, trace))
    found.violated('I6', 'an attempt that was never started had a side effect', line);
}

/** I1: every id a submit was answered with has its job, or that was forgotten when it had ended. */
export async function verifyAccepted(file: string, store: StoreSnapshot, found: Findings): Promise<void> {
  let lines = 0;
  for await (const id of linesOf(file)) {
    lines++;
    const trace = await traceOf(store, id, 0, ({ attempts }) => attempts === null);
    if (trace['attempts'] === null && !mayBeForgotten(id, trace))
      found.violated('I1', 'a submit was answered and its job is not there', id.slice(0, 100));
  }
  found.looked('I1', 'answered submits', 'answered submits', lines);
}

/** An event says so, or its job is so old that the event may be forgotten, too. */
function mayBeForgotten(id: string, trace: Row): boolean {
  if (trace['forgotten'] !== 0) return true;
  const knownFromMs = integerOrNull(trace, 'known_from_ms');
  return knownFromMs !== null && isUuidV7(id) && timeOfUuidV7(id) < knownFromMs;
}

/** What was written after the snapshot was taken is looked for in a newer one. */
async function traceOf(
  store: StoreSnapshot,
  id: string,
  attempt: number,
  isMissing: (trace: Row) => boolean,
): Promise<Row> {
  const [trace = {}] = await store.query(traceOfJob.with({ id, attempt }));
  if (!isMissing(trace)) return trace;
  store.renew();
  const [newer = {}] = await store.query(traceOfJob.with({ id, attempt }));
  return newer;
}

function linesOf(file: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
}

/** Which pass remembers this line: the same line always falls into the same. */
function passOf(line: string, passes: number): number {
  let hash = 0;
  for (let index = 0; index < line.length; index++)
    hash = (Math.imul(hash, 31) + line.charCodeAt(index)) >>> 0;
  return hash % passes;
}
