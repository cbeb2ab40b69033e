/** Finds out whether the QEMU program is there and new enough, and says what to install when it is not. */
import { execFile } from 'node:child_process';
import { BlixardError } from '../../domain/errors.ts';

/** Debian 12 has 7.2; the machine options used here are tested from it on. */
const oldestVersion: readonly [major: number, minor: number] = [7, 2];
const howToInstall = 'install it with: apt-get install --no-install-recommends qemu-system-x86';
const answerMs = 10_000;

/** Version of the program. Rejects with VM_MANAGER_UNAVAILABLE when VMs cannot be started with it. */
export async function qemuVersion(program: string): Promise<string> {
  await answerOf('setpriv', 'setpriv is missing; install it with: apt-get install util-linux');
  const text = await answerOf(program, `${program} cannot be run; ${howToInstall}`);
  const match = /^QEMU emulator version ((\d+)\.(\d+)\S*)/.exec(text);
  if (match === null) {
    throw unavailable(`${program} does not answer like QEMU (${text.slice(0, 80).trim()}); ${howToInstall}`);
  }
  const [, version = '', major, minor] = match;
  const [oldestMajor, oldestMinor] = oldestVersion;
  const age = Number(major) - oldestMajor || Number(minor) - oldestMinor;
  if (age >= 0) return version;
  throw unavailable(
    `${program} is version ${version}, older than ${oldestVersion.join('.')}; ${howToInstall}`,
  );
}

/** The error that says why this host cannot run VMs. */
export function unavailable(reason: string, cause?: unknown): BlixardError {
  return new BlixardError('VM_MANAGER_UNAVAILABLE', { reason }, { cause });
}

function answerOf(program: string, reason: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, ['--version'], { timeout: answerMs }, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(unavailable(`${reason} (${error.code ?? error.signal ?? error.message})`, error));
    });
  });
}
