/** Everything a fresh clone needs before it can run: packages, the compiled program, the base image. */
import { fileURLToPath } from 'node:url';
import { installHostPackages } from './host-packages.mjs';
import { installNpmPackages } from './npm-packages.mjs';
import { reportFailure, runStep, StepFailed, tick } from './step.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const nodeNeeded = [20, 20];

/**
 * Does what is missing and skips what is in place. Resolves with true, or with false when it failed and has said
 * what to do.
 *
 * @param image false leaves out the Debian packages and the base image, for work that starts no VM.
 */
export async function bootstrap({ image = true } = {}) {
  try {
    checkHost();
    await installNpmPackages();
    if (image) await installHostPackages();
    await compile();
    if (image) await buildBaseImage();
    return true;
  } catch (error) {
    reportFailure(error);
    return false;
  }
}

function checkHost() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < nodeNeeded[0] || (major === nodeNeeded[0] && minor < nodeNeeded[1])) {
    throw new StepFailed(`This is Node.js ${process.versions.node}`, {
      hint: `Blixard needs Node.js ${nodeNeeded.join('.')} or later.`,
    });
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new StepFailed(`This is ${process.platform} ${process.arch}`, {
      hint: 'Blixard runs microVMs on linux x64 only.',
    });
  }
  tick(`Node.js ${process.versions.node}, linux x64`);
}

async function compile() {
  await runStep('compile', process.execPath, ['node_modules/typescript/bin/tsc', '-b'], {
    cwd: root,
    hint: 'The sources do not compile; the lines above say where.',
  });
  await runStep('bundle', process.execPath, ['scripts/bundle.mjs'], {
    cwd: root,
    hint: 'A library could not be made one file; the lines above say which.',
  });
}

async function buildBaseImage() {
  await runStep('base image', process.execPath, ['dist/main/bin.js', 'image', 'build', 'base'], {
    cwd: root,
    hint: 'The base image could not be built. This says what is missing:\n\n  npx blixard doctor',
  });
}
