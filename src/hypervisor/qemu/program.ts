/** Finds out whether the QEMU program is there, new enough and whole, and says what to install when it is not. */
import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { BlixardError } from '../../domain/errors.ts';
import { firmware, machineType } from './arguments.ts';

/** Debian 12 has 7.2; the machine options used here are tested from it on. */
const oldestVersion: readonly [major: number, minor: number] = [7, 2];
const howToInstall = 'install it with: apt-get install --no-install-recommends qemu-system-x86';
const howToInstallFirmware = 'install it with: apt-get install --no-install-recommends qemu-system-data';
const answerMs = 10_000;

/** Version of the program. Rejects with VM_MANAGER_UNAVAILABLE when VMs cannot be started with it. */
export async function qemuVersion(program: string): Promise<string> {
  await answerOf('setpriv', '--version', 'setpriv is missing; install it with: apt-get install util-linux');
  const version = await versionOf(program);
  await Promise.all([requireMachine(program), requireFirmware(program)]);
  return version;
}

async function versionOf(program: string): Promise<string> {
  const text = await answerOf(program, '--version', `${program} cannot be run; ${howToInstall}`);
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

/** Some distributions build QEMU without it. */
async function requireMachine(program: string): Promise<void> {
  const text = await answerOf(program, '-machine help', `${program} does not list its machines`);
  if (new RegExp(`^${machineType}\\s`, 'm').test(text)) return;
  throw unavailable(`${program} was built without the machine ${machineType}; ${howToInstall}`);
}

async function requireFirmware(program: string): Promise<void> {
  const text = await answerOf(program, '-L help', `${program} does not list its folders`);
  const folders = text.split('\n').filter((line) => line !== '');
  const tries = await Promise.allSettled(folders.map((folder) => access(join(folder, firmware))));
  if (tries.some(({ status }) => status === 'fulfilled')) return;
  const where = folders.join(', ') || 'no folder at all';
  throw unavailable(`${program} has no ${firmware} in ${where}; ${howToInstallFirmware}`);
}

/** The error that says why this host cannot run VMs. */
export function unavailable(reason: string, cause?: unknown): BlixardError {
  return new BlixardError('VM_MANAGER_UNAVAILABLE', { reason }, { cause });
}

function answerOf(program: string, question: string, reason: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, question.split(' '), { timeout: answerMs }, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(unavailable(`${reason} (${error.code ?? error.signal ?? error.message})`, error));
    });
  });
}
