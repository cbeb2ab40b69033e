/** npm run bench:NAME: runs bench/NAME.ts with the arguments after `--`. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { benches, readBenchOptions, usageOf } from './bench-options.mjs';
import { bootstrap } from './bootstrap.mjs';
import { reportFailure } from './step.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const [name, ...words] = process.argv.slice(2);

if (name === undefined || !Object.hasOwn(benches, name)) {
  const names = Object.keys(benches).map((each) => `bench:${each}`);
  process.stderr.write(`There is no benchmark ${name}; there are: ${names.join(', ')}.\n`);
  process.exit(2);
}
const args = argsOrUsage();
if (!(await bootstrap()) || !(await setUp())) process.exit(1);
// The way that loads every job to find one is measured with a million of them in memory.
const node = ['--max-old-space-size=12000', '--import', 'tsx'];
const child = spawn(process.execPath, [...node, `bench/${name}.ts`, ...args], {
  cwd: root,
  stdio: 'inherit',
});
child.on('close', (code) => {
  process.exitCode = code ?? 1;
});

/** What this benchmark alone needs: bench/NAME/set-up.mjs, where there is one. */
async function setUp() {
  const own = `${root}/bench/${name}/set-up.mjs`;
  if (!existsSync(own)) return true;
  try {
    await (await import(own)).setUp();
    return true;
  } catch (error) {
    reportFailure(error);
    return false;
  }
}

/** Nothing is set up for help, nor for an option that is the caller's mistake. */
function argsOrUsage() {
  try {
    const { help, args: read } = readBenchOptions(name, words);
    if (!help) return read;
    process.stdout.write(usageOf(name));
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${usageOf(name)}`);
    process.exit(2);
  }
}
