import { expect, it, vi } from 'vitest';
import * as processUsage from '../hypervisor/process-usage.ts';
import { silentLog } from '../platform/log.ts';
import { fastClock, VmHost } from '../vm/vm-host.suite.ts';
import { TestExecution } from './executor.suite.ts';
import { MicrovmExecutor } from './microvm-executor.ts';

it('a command whose use of the host cannot be told has ended as it did', async () => {
  const usageOf = vi.spyOn(processUsage, 'usageOf').mockImplementation(() => {
    throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' });
  });
  const host = await VmHost.make();
  try {
    const executor = new MicrovmExecutor({ vms: await host.open(), clock: fastClock, log: silentLog });
    const outcome = await executor.run(new TestExecution({ command: ['exit', '3'] }));
    expect(usageOf).toHaveBeenCalled();
    expect(outcome).toMatchObject({ reason: 'exit', exitCode: 3 });
  } finally {
    usageOf.mockRestore();
    await host.clean();
  }
});
