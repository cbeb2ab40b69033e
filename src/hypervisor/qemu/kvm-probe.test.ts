import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { realClock } from '../../platform/clock.ts';
import { probeKvm } from './kvm-probe.ts';
import { script, temporaryFolder } from './scripts.suite.ts';

/** A host with a device and a processor that look right; what remains is the toy guest. */
async function goodHost(flags = 'fpu vmx sse') {
  const folder = await temporaryFolder();
  const [devicePath, cpuinfoPath] = [join(folder, 'kvm'), join(folder, 'cpuinfo')];
  await writeFile(devicePath, '');
  await writeFile(cpuinfoPath, `processor\t: 0\nflags\t\t: ${flags}\n`);
  return { devicePath, cpuinfoPath, clock: realClock };
}

describe('the proof of KVM', () => {
  it('needs a device that opens', async () => {
    const verdict = await probeKvm({ ...(await goodHost()), devicePath: '/no/such/kvm', program: 'true' });
    expect(verdict).toEqual({ usable: false, reason: expect.stringMatching(/cannot be opened.*ENOENT/) });
  });

  it('needs a processor that can, whatever the device says', async () => {
    const verdict = await probeKvm({ ...(await goodHost('fpu xvmxx svml')), program: 'true' });
    expect(verdict).toEqual({ usable: false, reason: expect.stringContaining('neither vmx nor svm') });
  });

  it('accepts a toy guest that ran to its end', async () => {
    const program = await script('exit 67');
    expect(await probeKvm({ ...(await goodHost()), program })).toMatchObject({ usable: true });
    expect(await probeKvm({ ...(await goodHost('svm')), program })).toMatchObject({ usable: true });
  });

  it('tells what QEMU said when the toy guest failed', async () => {
    const program = await script('echo "failed to initialize kvm: Permission denied" >&2; exit 1');
    expect(await probeKvm({ ...(await goodHost()), program })).toEqual({
      usable: false,
      reason: expect.stringMatching(/exit code 1.*Permission denied/),
    });
  });

  it('does not wait for a toy guest that hangs', async () => {
    const program = await script('exec sleep 60');
    expect(await probeKvm({ ...(await goodHost()), program })).toEqual({
      usable: false,
      reason: expect.stringMatching(/did not end within [\d.]+m?s/),
    });
  });

  it('says so when the program is not there', async () => {
    const verdict = await probeKvm({ ...(await goodHost()), program: '/no/such/qemu' });
    expect(verdict).toEqual({ usable: false, reason: expect.stringContaining('not found') });
  });
});
