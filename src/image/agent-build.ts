/** Compiles the guest agent into one static program that needs nothing of the guest it runs in. */
import { constants } from 'node:fs';
import { access, readdir, rename } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { buildFailed, runProgram } from './run-program.ts';

/** musl first: its agent is a tenth of the size, which each boot has to load. */
const compilers = ['musl-gcc', 'gcc'];

/** `-s` and `-static` stand apart from these, because a build that looks for faults needs neither. */
const agentWarnings = [
  '-std=c11',
  '-D_GNU_SOURCE',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wconversion',
  '-Wsign-conversion',
  '-Wshadow',
  '-Wformat=2',
  '-Wcast-qual',
  '-Wpointer-arith',
  '-Wwrite-strings',
  '-Wundef',
  '-Wvla',
  '-Wswitch-enum',
  '-Wstrict-prototypes',
  '-Wmissing-prototypes',
] as const;

const releaseFlags = ['-Os', '-static', '-s', '-fstack-protector-strong', '-D_FORTIFY_SOURCE=2'] as const;

/**
 * Compiles the agent of `sourceDir` to `outFile`, which is whole or not there. Rejects with IMAGE_BUILD_FAILED and
 * the compiler's words.
 */
export async function buildAgent(deps: { sourceDir: string; outFile: string }): Promise<void> {
  await compileAgent({ ...deps, compiler: await findCompiler(), flags: releaseFlags });
}

/** As `buildAgent`, with the compiler and the flags to use beside the warnings. */
export async function compileAgent(deps: {
  compiler: string;
  flags: readonly string[];
  sourceDir: string;
  outFile: string;
}): Promise<void> {
  const { compiler, flags, sourceDir, outFile } = deps;
  const sources = (await readdir(sourceDir)).filter((name) => name.endsWith('.c')).sort();
  if (sources.length === 0) throw buildFailed(`there is no C source in ${sourceDir}`);
  const part = `${outFile}.part-${process.pid}`;
  await runProgram({
    program: compiler,
    args: [...agentWarnings, ...flags, '-o', part, ...sources.map((name) => join(sourceDir, name))],
  });
  await rename(part, outFile);
}

async function findCompiler(): Promise<string> {
  for (const compiler of compilers) {
    if (await isOnPath(compiler)) return compiler;
  }
  throw buildFailed(
    `there is no C compiler (${compilers.join(' or ')}); install one: apt-get install gcc libc6-dev`,
  );
}

async function isOnPath(program: string): Promise<boolean> {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const tries = await Promise.allSettled(
    folders.map((folder) => access(join(folder, program), constants.X_OK)),
  );
  return tries.some((found) => found.status === 'fulfilled');
}
