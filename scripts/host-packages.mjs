/** The Debian packages Blixard needs on its host: which are missing, and how to install them. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { runStep, StepFailed, tick } from './step.mjs';

/** Another apt, say one that updates the machine, is waited for. */
const install = 'apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends';
const list = new URL('./host-packages.json', import.meta.url);

/** Installs what Blixard needs and is missing; rejects like `installDebianPackages`. */
export async function installHostPackages() {
  await installDebianPackages('Debian packages', packageNames());
}

/** Installs what is missing. Rejects with StepFailed, and the one command to run, when this is not root. */
export async function installDebianPackages(title, names) {
  const missing = missingPackages(names);
  if (missing.length === 0) return tick(title);
  const command = `apt-get update && ${install} ${missing.join(' ')}`;
  if (process.getuid() !== 0) {
    throw new StepFailed(`Debian packages are missing: ${missing.join(', ')}`, {
      hint: `Installing them needs root. Run this, then start again:\n\n  sudo sh -c '${command}'`,
    });
  }
  await runStep(`${title} (${missing.length})`, 'sh', ['-c', command], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    hint: `See the output above; then try it by hand:\n\n  ${command}`,
  });
}

function packageNames() {
  return JSON.parse(readFileSync(list, 'utf8')).packages.map((entry) => entry.name);
}

function missingPackages(names) {
  const format = `\${Package} \${db:Status-Status}\n`;
  const query = ['--show', '--showformat', format, ...names];
  const answer = spawnSync('dpkg-query', query, { encoding: 'utf8' });
  if (answer.error !== undefined) {
    throw new StepFailed('This is no Debian or Ubuntu: there is no dpkg-query', {
      hint: `Blixard is set up on Debian 12 or later. It needs these packages: ${names.join(', ')}`,
    });
  }
  const installed = new Set(
    answer.stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  );
  return names.filter((name) => !installed.has(name));
}
