/** What the queue bench needs beside Blixard: the peers' npm packages, and Redis and PostgreSQL from Debian. */
import { fileURLToPath } from 'node:url';
import { installDebianPackages } from '../../scripts/host-packages.mjs';
import { installNpmPackages } from '../../scripts/npm-packages.mjs';

const peers = fileURLToPath(new URL('peers', import.meta.url));

/** Installs what is missing and skips what is in place. Rejects with StepFailed. */
export async function setUp() {
  await installDebianPackages('Debian packages of the peers', ['redis-server', 'postgresql']);
  await installNpmPackages('npm packages of the peers', peers);
}
