/** blixard job submit: stores the jobs of a file, all or none. */
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Command } from 'commander';
import type { SubmitJob } from '../../../contract/job.ts';
import { blankLine } from '../../../contract/schema.ts';
import { BlixardError, problemOf } from '../../../domain/errors.ts';
import { limits } from '../../../domain/limits.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { declareTogetherFlags, type TogetherFlags, withTogetherFlags } from '../../together-flags.ts';

interface Options extends TogetherFlags {
  readonly file: string;
}

export function addJobSubmit(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'submit',
    summary: `submit up to ${limits.batchJobs} jobs at once, all or none`,
    flags: 'client',
    printsData: true,
    examples: [
      'blixard job submit --file jobs.ndjson',
      `echo '{"command":["echo","hello"],"labels":{"team":"a"}}' | blixard job submit --file -`,
    ],
    setUp: (command) =>
      declareTogetherFlags(
        command.requiredOption('--file <file>', 'a job on each line, as JSON; - is standard input'),
      ),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { file } = call.options;
  const bytes = file === '-' ? await readAll(call.context.stdin) : await readBytes(file);
  const given = jobsOf(bytes, file);
  const { jobs } = await withClient(call, async (client) => {
    const body = await withTogetherFlags(client, given, call.options);
    return await client.call('submitJobs', { body });
  });
  await (call.json ? printJson(call, { jobs }) : print(call, jobs.map(({ id }) => `${id}\n`).join('')));
}

/** What is wrong inside of a job is for the server to say. */
function jobsOf(bytes: Buffer, file: string): SubmitJob[] {
  return bytes
    .toString('latin1')
    .replace(/\n$/, '')
    .split('\n')
    .map((line, index) => {
      try {
        return jobOf(decoded(Buffer.from(line, 'latin1')));
      } catch (error) {
        const problem = `--file ${file}, line ${index + 1}: ${problemOf(error)}`;
        throw new BlixardError('USAGE', { problem }, { cause: error });
      }
    });
}

function jobOf(line: string): SubmitJob {
  if (line.trim() === '') throw new TypeError(blankLine);
  const job: unknown = JSON.parse(line);
  if (typeof job === 'object' && job !== null && !Array.isArray(job)) return job as SubmitJob;
  throw new TypeError('it must be a JSON object');
}

/** What is no UTF-8 is refused, as by the server: with other characters another command would run. */
function decoded(line: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(line);
  } catch (error) {
    throw new TypeError('bytes that are not UTF-8', { cause: error });
  }
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new BlixardError('USAGE', { problem: `--file ${file}: ${problemOf(error)}` }, { cause: error });
  }
}

async function readAll(stdin: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    chunks.push(Buffer.from(chunk));
    bytes += chunks.at(-1)?.length ?? 0;
    if (bytes > limits.bodyBytes)
      throw new BlixardError('USAGE', { problem: `--file -: more than ${limits.bodyBytes} bytes` });
  }
  return Buffer.concat(chunks);
}
