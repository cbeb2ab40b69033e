/** Tells a circuit breaker what became of a VM that was started. */
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { VmExit } from '../hypervisor/hypervisor.ts';
import type { Trial } from './breakers.ts';
import { lastWords } from './console-tail.ts';
import type { MicroVm } from './micro-vm.ts';

/** What ends before its first command speaks against its image; one that was given a command speaks for it. */
export function followTrial(vm: MicroVm, trial: Trial): void {
  // It was started long ago, and says nothing of a start now.
  if (vm.facts.start === 'service') trial.dropped();
  void vm.used.then(() => trial.succeeded());
  void vm.exited.then((exit) => {
    if (vm.state === 'failed') trial.failed(crashOf(vm, exit));
    else trial.dropped();
  });
}

function crashOf(vm: MicroVm, exit: VmExit): BlixardError {
  const words = lastWords(vm.console(), exit, limits.reasonLength);
  return new BlixardError('VM_CRASHED', { problem: `before its first command${words}` });
}
