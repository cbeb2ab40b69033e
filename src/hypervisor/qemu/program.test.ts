import { describe, expect, it } from 'vitest';
import { qemuVersion } from './program.ts';
import { script } from './scripts.suite.ts';

describe('the QEMU program', () => {
  it('tells its version', async () => {
    const program = await script('echo "QEMU emulator version 8.2.1 (Debian 1:8.2.1)"');
    expect(await qemuVersion(program)).toBe('8.2.1');
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
