/** npm run bench:NAME: runs bench/NAME.ts with the arguments after `--`. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { bootstrap } from './bootstrap.mjs';
import { reportFailure } from './step.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const [name, ...args] = process.argv.slice(2);
const file = `bench/${name}.ts`;

if (name === undefined || !existsSync(`${root}/${file}`)) {
  process.stderr.write(`There is no benchmark ${file}.\n`);
  process.exit(1);
}
if (!(await bootstrap()) || !(await setUp())) process.exit(1);
// The way that loads every job to find one is measured with a million of them in memory.
const node = ['--max-old-space-size=12000', '--import', 'tsx'];
const child = spawn(process.execPath, [...node, file, ...args], { cwd: root, stdio: 'inherit' });
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
