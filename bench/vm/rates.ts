/** How many short commands per second a host runs, each in a VM of its own. */
import { availableParallelism } from 'node:os';
import type { Report } from '../lib/report.ts';
import { never, order, runIn, untilPooled, withHost } from './host.ts';

const pooled = 20;

export async function benchRates(report: Report, cycles: number): Promise<void> {
  await withHost(0, async (vms) => {
    let left = cycles;
    const cycle = async (): Promise<void> => {
      while (left-- > 0) {
        const vm = await vms.start(order, never);
        if (vm.facts.start !== 'restore') throw new Error(`a VM was started by ${vm.facts.start}`);
        await runIn(vm, 'true');
        await vms.kill(vm.id);
      }
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: availableParallelism() }, cycle));
    report.add('restore, run true, destroy', 'cycles/s', (cycles * 1_000) / (performance.now() - start));
  });
  await withHost(pooled, async (vms) => {
    await untilPooled(vms, pooled);
    let left = pooled;
    const take = async (): Promise<void> => {
      while (left-- > 0) {
        const vm = await vms.start(order, never);
        if (vm.facts.start !== 'pool') throw new Error(`a VM was started by ${vm.facts.start}`);
        await runIn(vm, 'true');
        void vm.kill();
      }
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: availableParallelism() }, take));
    report.add(`true in ${pooled} VMs of the pool`, 'runs/s', (pooled * 1_000) / (performance.now() - start));
  });
}
