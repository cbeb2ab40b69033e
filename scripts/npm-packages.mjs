/** The npm packages: installed as package-lock.json says, and only when something differs. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runStep, tick } from './step.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Runs `npm ci` unless node_modules holds just what the lock file asks for. */
export async function installNpmPackages(title = 'npm packages', folder = root) {
  if (inPlace(folder)) return tick(title);
  await runStep(title, 'npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: folder,
    hint: 'npm could not install the packages. Check the network and the npm registry, then start again.',
  });
}

/** npm writes what it installed to node_modules/.package-lock.json, as the last thing it does. */
function inPlace(folder) {
  const record = `${folder}/node_modules/.package-lock.json`;
  if (!existsSync(record)) return false;
  const wanted = packagesOf(`${folder}/package-lock.json`);
  const installed = packagesOf(record);
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = installed[path];
    return found === undefined ? entry.optional === true : found.version === entry.version;
  });
}

function packagesOf(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}
