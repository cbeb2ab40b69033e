/** npm run verify -- --data-dir DIR: `blixard verify` of this source tree, built first, with all its options. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bootstrap } from './bootstrap.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

if (!(await bootstrap({ image: false }))) process.exit(1);
const args = [`${root}/dist/main/bin.js`, 'verify', ...process.argv.slice(2)];
const child = spawn(process.execPath, args, { stdio: 'inherit' });
child.on('close', (code) => {
  process.exitCode = code ?? 1;
});
