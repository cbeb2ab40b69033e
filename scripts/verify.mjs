/** npm run verify -- DATA_DIR: `blixard verify` of this source tree, built first. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bootstrap } from './bootstrap.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const [dataDir, ...options] = process.argv.slice(2);

if (dataDir === undefined || dataDir.startsWith('-')) {
  process.stderr.write('usage: npm run verify -- DATA_DIR [--effects FILE] [--accepted FILE] [-o json]\n');
  process.exit(2);
}
if (!(await bootstrap({ image: false }))) process.exit(1);
const args = [`${root}/dist/main/bin.js`, 'verify', '--data-dir', dataDir, ...options];
const child = spawn(process.execPath, args, { stdio: 'inherit' });
child.on('close', (code) => {
  process.exitCode = code ?? 1;
});
