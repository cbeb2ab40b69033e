import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { qemuVersion } from './program.ts';
import { script, temporaryFolder } from './scripts.suite.ts';

/** A program that answers like QEMU 8.2.1, with these machines and these folders of firmware. */
function qemu(machines: string, folders: string): Promise<string> {
  return script(
    `case "$1 $2" in
      '--version ') echo "QEMU emulator version 8.2.1 (Debian 1:8.2.1)" ;;
      '-machine help') printf '${machines}' ;;
      '-L help') printf '${folders}' ;;
      *) exit 9 ;;
    esac`,
  );
}

const machines = 'Supported machines are:\\nmicrovm   microvm (i386)\\nq35   Standard PC\\n';

async function firmwareFolder(): Promise<string> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'qboot.rom'), '');
  return folder;
}

describe('the QEMU program', () => {
  it('tells its version', async () => {
    const program = await qemu(machines, `/nowhere\\n${await firmwareFolder()}\\n`);
    expect(await qemuVersion(program)).toBe('8.2.1');
  });

  it('is refused with what to install when it was built without the machine microvm', async () => {
    const program = await qemu('microvm-like   another\\nq35   Standard PC\\n', await firmwareFolder());
    await expect(qemuVersion(program)).rejects.toMatchObject({
      code: 'VM_MANAGER_UNAVAILABLE',
      details: {
        reason: expect.stringMatching(/without the machine microvm; .*apt-get install .*qemu-system-x86/),
      },
    });
  });

  it.each([
    ['/nowhere\\n', 'in /nowhere'],
    ['', 'in no folder at all'],
  ])('is refused with what to install when its firmware is missing (%j)', async (folders, where) => {
    await expect(qemuVersion(await qemu(machines, folders))).rejects.toMatchObject({
      code: 'VM_MANAGER_UNAVAILABLE',
      message: expect.stringMatching(/has no qboot\.rom in .*apt-get install .*qemu-system-data/),
      details: { reason: expect.stringContaining(where) },
    });
  });

  it.each([
    ['is older than what is tested', 'echo "QEMU emulator version 6.2.0"', 'older than 7.2'],
    ['is another program', 'echo "hello, I am not an emulator"', 'does not answer like QEMU'],
    ['fails', 'exit 3', '(3)'],
  ])('is refused with what to install when it %s', async (_, text, reason) => {
    await expect(qemuVersion(await script(text))).rejects.toMatchObject({
      code: 'VM_MANAGER_UNAVAILABLE',
      message: expect.stringMatching(/apt-get install .*qemu-system-x86/),
      details: { reason: expect.stringContaining(reason) },
    });
  });

  it('is refused with what to install when it is not there', async () => {
    await expect(qemuVersion('/no/such/qemu')).rejects.toMatchObject({
      code: 'VM_MANAGER_UNAVAILABLE',
      details: { reason: expect.stringMatching(/ENOENT/) },
      message: expect.stringContaining('apt-get install'),
    });
  });
});
