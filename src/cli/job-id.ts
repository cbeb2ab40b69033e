/** Reads the ids of jobs and microVMs as they are given on the command line. */
import { BlixardError } from '../domain/errors.ts';

/** The shortest start of an id the server looks up. */
const shortest = 4;

/** The argument of every command about one job. */
export const jobArgument = ['<job>', 'id of the job, or a unique start of it'] as const;
/** The argument of every command about several. */
export const jobsArgument = ['<job...>', 'ids of the jobs, or unique starts of them'] as const;

/** Throws USAGE for a text no id starts with; ids that were printed in upper case are fine. */
export function readJobId(text = ''): string {
  return readId('a job', text);
}

/** The same of the id of a microVM. */
export function readVmId(text = ''): string {
  return readId('a microVM', text);
}

function readId(what: string, text: string): string {
  const id = text.toLowerCase();
  if (id.length >= shortest && id.length <= 36 && /^[0-9a-f-]+$/.test(id)) return id;
  const problem = `${text}: it must be the id of ${what}, or the start of one, ${shortest} characters or more`;
  throw new BlixardError('USAGE', { problem });
}
