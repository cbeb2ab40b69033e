/** Starts one VM, prints its process identity and stays until killed. Argument: the VM's spec as JSON. */
import type { VmSpec } from '../../../src/hypervisor/hypervisor.ts';
import { QemuHypervisor } from '../../../src/hypervisor/qemu/qemu.ts';
import { realClock } from '../../../src/platform/clock.ts';
import { silentLog } from '../../../src/platform/log.ts';

const spec = JSON.parse(process.argv[2] ?? '') as VmSpec;
const vm = await new QemuHypervisor({ clock: realClock, log: silentLog, accel: 'auto' }).start(spec);
process.stdout.write(`${JSON.stringify(vm.identity)}\n`);
await vm.exited;
