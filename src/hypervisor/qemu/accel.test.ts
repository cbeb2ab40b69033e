import { describe, expect, it } from 'vitest';
import { chooseAccel } from './accel.ts';

const works = async () => ({ usable: true, reason: 'a test guest ran under KVM' });
const fails = async () => ({ usable: false, reason: '/dev/kvm is not there' });
const mustNotRun = () => Promise.reject(new Error('probed without need'));

describe('the choice of the acceleration', () => {
  it('takes KVM for auto only when it is proven', async () => {
    expect(await chooseAccel('auto', false, works)).toMatchObject({ accel: 'kvm' });
    expect(await chooseAccel('auto', false, fails)).toEqual({
      accel: 'tcg',
      accelReason: 'software emulation, because /dev/kvm is not there',
    });
  });

  it('does not try KVM again where a stock kernel hung under it', async () => {
    const { accel, accelReason } = await chooseAccel('auto', true, mustNotRun);
    expect(accel).toBe('tcg');
    expect(accelReason).toContain('did not boot');
  });

  it('does not probe when software emulation is asked for', async () => {
    expect(await chooseAccel('tcg', false, mustNotRun)).toMatchObject({ accel: 'tcg' });
  });

  it('never replaces a KVM that was asked for', async () => {
    expect(await chooseAccel('kvm', false, works)).toMatchObject({ accel: 'kvm' });
    for (const [badKvm, reason] of [
      [false, '/dev/kvm is not there'],
      [true, 'did not boot'],
    ] as const) {
      await expect(chooseAccel('kvm', badKvm, fails)).rejects.toMatchObject({
        code: 'VM_MANAGER_UNAVAILABLE',
        message: expect.stringContaining(reason),
      });
    }
  });
});
