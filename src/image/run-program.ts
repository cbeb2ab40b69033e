/** Runs one program of an image build to its end: output bounded, dies with this process, failure in its own words. */
import { execFile } from 'node:child_process';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';

/** A program, its arguments, and what it reads on standard input. */
export interface ProgramCall {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly stdin?: string;
  /** Beside the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Characters of a failed program's output that go into the error. */
const tailLength = 2_000;

/** What a program makes shall not depend on whose umask it is. */
const withUsualUmask = 'umask 022 && exec setpriv --pdeathsig KILL -- "$0" "$@"';

/** The error of an image build that cannot go on; who knows which image it is tells it. */
export function buildFailed(problem: string, cause?: unknown): BlixardError {
  return failedBuild('an image', problem, cause);
}

/** The error of a build of `what`, for example `the image base:latest`. */
export function failedBuild(what: string, problem: string, cause?: unknown): BlixardError {
  return new BlixardError('IMAGE_BUILD_FAILED', { what, problem }, { cause });
}

/** Resolves with standard output. Rejects with IMAGE_BUILD_FAILED, which has the end of the program's output. */
export function runProgram(call: ProgramCall): Promise<string> {
  const options = {
    cwd: call.cwd,
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive', ...call.env },
    maxBuffer: limits.buildOutputBytes,
  };
  return new Promise((resolve, reject) => {
    let unread = '';
    const args = ['-c', withUsualUmask, call.program, ...call.args];
    const child = execFile('sh', args, options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const ending = `${call.program} ended with ${error.code ?? error.signal ?? 'no status'}${unread}`;
      const words = (stderr.trim() || stdout.trim() || error.message).slice(-tailLength);
      reject(buildFailed(`${ending}: ${words}`, error));
    });
    child.stdin?.on('error', (error) => {
      if (call.stdin !== undefined) unread = ` and did not read its input (${error.message})`;
    });
    child.stdin?.end(call.stdin ?? '');
  });
}
