/** What a log has on disk when it is opened: recovery after a crash is here. */
import { readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSegmentName, type Segment, segmentName, wholeRecordsOf } from './segment.ts';

/**
 * The segments of a folder in order, the record torn at the end of the last one cut off; none when it is
 * not there.
 */
export async function findSegments(dir: string): Promise<Segment[]> {
  const segments: Segment[] = [];
  for (const name of (await namesIn(dir)).sort()) {
    const start = parseSegmentName(name);
    if (start !== undefined) segments.push({ ...start, bytes: 0, output: 0 });
  }
  for (const [index, segment] of segments.entries()) {
    await measure(join(dir, segmentName(segment)), segment, segments[index + 1]);
  }
  return segments;
}

/**
 * A segment that ends where the next one starts is as that one says; any other is read, and the last one
 * cut.
 */
async function measure(path: string, segment: Segment, next: Segment | undefined): Promise<void> {
  const { size } = await stat(path);
  if (next !== undefined && next.start === segment.start + size) {
    segment.bytes = size;
    segment.output = next.outputStart - segment.outputStart;
    return;
  }
  const whole = await wholeRecordsOf(path);
  segment.bytes = whole.bytes;
  segment.output = whole.output;
  if (next === undefined && whole.bytes < size) await truncate(path, whole.bytes);
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
