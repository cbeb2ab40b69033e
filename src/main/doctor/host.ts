/** Checks of the host itself: Node.js, clock, data directory. */
import { stat, statfs } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { problemOf } from '../../domain/errors.ts';
import { formatBytes } from '../../domain/units.ts';
import { openDataDir } from '../data-dir.ts';
import { type Check, fail, ok, warn } from './check.ts';

const oldestNode: readonly [major: number, minor: number] = [20, 20];
const gib = 1_024 ** 3;
/** Room for a few VMs' run files and a day of logs. */
const freeBytesWanted = 2 * gib;

/** Node.js is new enough, on a platform that VMs can run on. */
export const nodeCheck: Check = {
  name: 'Node.js',
  async look() {
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    const text = `${process.versions.node} on ${process.platform} ${process.arch}`;
    const newEnough = (major - oldestNode[0] || minor - oldestNode[1]) >= 0;
    if (!newEnough) return fail(text, `Install Node.js ${oldestNode.join('.')} or later.`);
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      return fail(text, 'microVMs run on linux x64 only.');
    }
    return ok(text);
  },
};

/** A clock before the day this program was installed cannot be right. */
export const clockCheck: Check = {
  name: 'clock',
  async look({ clock }) {
    const installed = await stat(fileURLToPath(import.meta.url));
    const now = new Date(clock.nowMs()).toISOString();
    if (clock.nowMs() >= installed.mtimeMs) return ok(now);
    return warn(
      `${now} is before this program was installed`,
      'Set the clock (timedatectl set-ntp true): leases and ids are made from it.',
    );
  },
};

/** The data directory can be written and has room. */
export const dataDirCheck: Check = {
  name: 'data directory',
  async look({ config: { dataDir } }) {
    try {
      await openDataDir(dataDir);
    } catch (error) {
      return fail(problemOf(error), 'Make it writable, or choose another with --data-dir.');
    }
    const { bavail, bsize } = await statfs(dataDir);
    const text = `${dataDir}, ${formatBytes(bavail * bsize)} free`;
    if (bavail * bsize >= freeBytesWanted) return ok(text);
    return warn(text, `Free some room: ${formatBytes(freeBytesWanted)} are good to have for logs and VMs.`);
  },
};
