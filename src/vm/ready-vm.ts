/** Makes a VM ready for the pool: restored from its template, warmed, paused. */
import type { Clock } from '../platform/clock.ts';
import type { Admission, Place } from './admission.ts';
import type { StartedVm, StartOrder, VmController } from './controller.ts';
import type { Template } from './template-files.ts';
import type { Templates } from './templates.ts';

const rehearsalMs = 20_000;
const pauseMs = 5_000;

/** A started VM and its place on the host. */
export interface PlacedVm {
  readonly started: StartedVm;
  readonly place: Place;
  /** Whose file it maps, as that was before its start; undefined: it was booted. */
  readonly template?: Template;
}

/** A VM that waits in the pool. */
export interface ReadyVm extends PlacedVm {
  readonly template: Template;
}

/** What VMs are made ready with. */
export interface ReadyVmDeps {
  readonly controller: VmController;
  readonly templates: Templates;
  readonly admission: Admission;
  readonly clock: Clock;
  /** How long a VM may take from its start to its hello. */
  readonly restoreTimeoutMs: number;
}

/** Which VM, and who is told once it holds a place. */
export interface ReadyOrder {
  readonly key: string;
  readonly order: StartOrder;
  readonly signal: AbortSignal;
  readonly onPlace: () => void;
}

/**
 * Resolves when the VM waits, paused; undefined when its template is there no more. Rejects with VM_BOOT_FAILED,
 * VM_CRASHED, VMM_REFUSED, VM_LIMIT, or the signal's reason; then nothing of it is left.
 */
export async function makeReadyVm(deps: ReadyVmDeps, wanted: ReadyOrder): Promise<ReadyVm | undefined> {
  const { admission, controller, templates, restoreTimeoutMs } = deps;
  const { key, order, signal, onPlace } = wanted;
  const place = await admission.enterIdle(order.memoryMiB, signal);
  onPlace();
  try {
    const template = await templates.find(key);
    if ('missing' in template) {
      place.leave();
      return undefined;
    }
    const started = await controller.restore(order, template.dir, restoreTimeoutMs, signal);
    void started.gone.then(() => place.leave());
    templates.use(key, started.gone);
    await warmAndPause(started, signal);
    place.started();
    return { started, place, template };
  } catch (error) {
    place.leave();
    throw error;
  }
}

/** How the files of the template look now; undefined when it is there no more. */
export async function looksOf(templates: Pick<Templates, 'find'>, key: string): Promise<string | undefined> {
  const found = await templates.find(key);
  return 'missing' in found ? undefined : found.looks;
}

/** False: what it maps may have been written to by somebody since. */
export async function isUntouched(
  templates: Pick<Templates, 'find'>,
  { template }: PlacedVm,
): Promise<boolean> {
  return template === undefined || (await looksOf(templates, template.key)) === template.looks;
}

async function warmAndPause({ vm, gone }: StartedVm, signal: AbortSignal): Promise<void> {
  try {
    await vm.rehearse(rehearsalMs);
    await vm.pause(pauseMs);
    signal.throwIfAborted();
  } catch (error) {
    await vm.kill();
    await gone;
    throw error;
  }
}
