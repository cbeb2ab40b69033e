/** npm run verify -- DATA_DIR: `blixard verify` of this source tree, built first, with all its options. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { bootstrap } from './bootstrap.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const given = process.argv.slice(2);
const [dataDir = '-', ...others] = given;
const words = dataDir.startsWith('-') ? given : ['--data-dir', dataDir, ...others];

if (!(await bootstrap({ image: false }))) process.exit(1);
const child = spawn(process.execPath, [`${root}/dist/main/bin.js`, 'verify', ...words], { stdio: 'inherit' });
child.on('close', (code) => {
  process.exitCode = code ?? 1;
});
