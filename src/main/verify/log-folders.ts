/** I7 of logs and artifacts: each belongs to an attempt of a job; the files of a log are whole. */
import { join } from 'node:path';
import { parseSegmentName, wholeRecordsOf } from '../../control/logs/segment.ts';
import type { Findings } from '../../store/verify/findings.ts';
import { type FolderKind, namesIn } from './job-folders.ts';

export const logFolders: FolderKind = { one: 'a log', many: 'logs', verifyAttempt: verifyLog };

export const artifactFolders: FolderKind = {
  one: 'an artifact',
  many: 'artifacts',
  verifyAttempt: verifyArtifacts,
};

/** The start of a record at the very end may be an upload that was cut off: it is not counted as written. */
async function verifyLog(dir: string, log: string, found: Findings): Promise<void> {
  for (const name of await namesIn(dir)) {
    if (parseSegmentName(name) === undefined)
      found.violated('I7', 'something in a log is no part of it', `${log}: ${name}`);
    else if ((await wholeRecordsOf(join(dir, name))).damaged)
      found.violated('I7', 'a log is damaged', `${log}: ${name}`);
  }
}

/** A file without a row may be an upload under way, or one whose attempt was lost: it goes with its job. */
async function verifyArtifacts(dir: string, attempt: string, found: Findings): Promise<void> {
  for (const name of await namesIn(dir))
    if (!/^[0-9a-f]{64}$/.test(name))
      found.violated('I7', 'something among artifacts is none', `${attempt}: ${name}`);
}
