/** Makes the submission of a job from the flags of `blixard run`. */
import { readFile } from 'node:fs/promises';
import type { SubmitJob } from '../contract/job.ts';
import { BlixardError, problemOf } from '../domain/errors.ts';
import { type BackoffFlags, backoffOf } from './backoff-flags.ts';
import type { CliContext } from './context.ts';
import { type Env, envOfFile, envOfFlags } from './environment.ts';
import { type FlagReader, readCount, readDurationMs, readInteger, readMemoryMiB } from './parse.ts';
import { readStdin } from './stdin.ts';
import { type SubmitFlags, submitOptionsOfFlags } from './submit-flags.ts';

/** Options of `blixard run` as commander gives them. */
export interface SubmitOptions extends SubmitFlags, BackoffFlags {
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly memory?: string;
  readonly cpus?: string;
  readonly disk?: string;
  readonly pids?: string;
  readonly timeout?: string;
  readonly executor?: string;
  readonly image?: string;
  readonly queue?: string;
  readonly concurrencyKey?: string;
  readonly workdir?: string;
  readonly uid?: string;
  readonly attempts?: string;
  readonly artifact?: readonly string[];
  readonly input?: readonly string[];
  readonly interactive?: boolean;
}

/** Fields that were not given are left to the server's defaults. */
export async function submissionOf(
  context: CliContext,
  command: readonly string[],
  options: SubmitOptions,
): Promise<SubmitJob> {
  const backoff = backoffOf(options);
  const stdin = options.interactive === true ? await readStdin(context.stdin) : undefined;
  return {
    command: [...command],
    env: await envOf(context, options),
    ...given('memoryMiB', '--memory', options.memory, readMemoryMiB),
    ...given('vcpus', '--cpus', options.cpus, readCount),
    ...given('diskMiB', '--disk', options.disk, readMemoryMiB),
    ...given('pids', '--pids', options.pids, readCount),
    ...given('timeoutMs', '--timeout', options.timeout, readDurationMs),
    ...given('uid', '--uid', options.uid, readInteger),
    ...given('attemptsMax', '--attempts', options.attempts, readCount),
    ...(backoff === undefined ? {} : { backoff }),
    ...(options.executor === undefined ? {} : { executor: options.executor }),
    ...(options.image === undefined ? {} : { image: options.image }),
    ...(options.queue === undefined ? {} : { queue: options.queue }),
    ...(options.concurrencyKey === undefined ? {} : { concurrencyKey: options.concurrencyKey }),
    ...(options.workdir === undefined ? {} : { cwd: options.workdir }),
    ...(options.artifact === undefined ? {} : { artifacts: [...options.artifact] }),
    ...(options.input === undefined ? {} : { inputs: [...options.input] }),
    ...submitOptionsOfFlags(options),
    ...(stdin === undefined ? {} : { stdinBase64: stdin.toString('base64') }),
  };
}

function given<const K extends string>(
  field: K,
  flag: string,
  text: string | undefined,
  read: FlagReader<number>,
): { readonly [name in K]?: number } {
  return text === undefined ? {} : ({ [field]: read(flag, text) } as { readonly [name in K]: number });
}

async function envOf(context: CliContext, options: SubmitOptions): Promise<Env> {
  const files = await Promise.all(
    (options.envFile ?? []).map(async (file) => envOfFile(await readEnvFile(file), file, context.env)),
  );
  return Object.assign({}, ...files, envOfFlags(options.env ?? [], context.env)) as Env;
}

async function readEnvFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new BlixardError('USAGE', { problem: `--env-file ${file}: ${problemOf(error)}` }, { cause: error });
  }
}
