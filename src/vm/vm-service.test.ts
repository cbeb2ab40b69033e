import { expect, it } from 'vitest';
import { VmService } from './vm-service.ts';

it('without a manager every command says why, finders find nothing and counts are 0', async () => {
  const vms = VmService.unavailable('no hypervisor here');
  const refused = {
    code: 'VM_MANAGER_UNAVAILABLE',
    message: 'VM manager is not available (SKIP_VM_MANAGER may be set): no hypervisor here',
  };
  const order = { image: 'base', memoryMiB: 128, vcpus: 1 };
  await expect(vms.start(order, new AbortController().signal)).rejects.toMatchObject(refused);
  await expect(vms.stop('x', 1)).rejects.toMatchObject(refused);
  await expect(vms.kill('x')).rejects.toMatchObject(refused);
  expect(vms.isAvailable()).toBe(false);
  expect(vms.unavailableReason()).toBe('no hypervisor here');
  expect(vms.find('x')).toBeUndefined();
  expect(vms.list()).toEqual([]);
  expect(vms.count()).toBe(0);
  expect(vms.host()).toBeUndefined();
  await vms.close();
});
