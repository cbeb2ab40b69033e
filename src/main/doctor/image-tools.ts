/** Checks the programs that only an image build needs. */
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type Check, ok, warn } from './check.ts';

/** Program → Debian package. */
const programs: Readonly<Record<string, string>> = {
  gcc: 'gcc libc6-dev',
  strip: 'binutils',
  mksquashfs: 'squashfs-tools',
  'dpkg-deb': 'dpkg',
  'apt-get': 'apt',
  cpio: 'cpio',
};

/** An image can be built here. */
export const imageToolsCheck: Check = {
  name: 'image tools',
  async look({ env }) {
    const path = env['PATH'] ?? '';
    const found = await Promise.all(Object.keys(programs).map((program) => isOnPath(program, path)));
    const missing = Object.keys(programs).filter((_, index) => found[index] === false);
    if (missing.length === 0) return ok(Object.keys(programs).join(', '));
    const packages = missing.map((program) => programs[program]).join(' ');
    return warn(
      `missing: ${missing.join(', ')}; no image can be built here`,
      `apt-get install --no-install-recommends ${packages}`,
    );
  },
};

async function isOnPath(program: string, path: string): Promise<boolean> {
  const tries = path.split(delimiter).map((dir) => access(join(dir, program), constants.X_OK));
  return (await Promise.allSettled(tries)).some(({ status }) => status === 'fulfilled');
}
