/** What a work call tells besides ends: the VMs of this worker, whose jobs wait for one, what it can run if changed. */
import type { ExecutorOffer, WorkRequest } from '../contract/worker.ts';
import type { ExecutorRegistry } from '../executor/registry.ts';
import type { VmService } from '../vm/vm-service.ts';
import { jobsLacking, vmReports, vmStops } from './vm-reports.ts';

/** What it is told from. */
export interface WorkerNewsDeps {
  readonly executors: ExecutorRegistry;
  readonly vms: Pick<VmService, 'told' | 'breakers' | 'lacking'>;
  /** What the registration has told. */
  readonly offered: readonly ExecutorOffer[];
}

/** Of one generation. */
export class WorkerNews {
  readonly #deps: WorkerNewsDeps;
  readonly #offered: string;
  /** Once they differ they are told with every call: answers may be lost, and calls overtake one another. */
  #hasChanged = false;

  constructor(deps: WorkerNewsDeps) {
    this.#deps = deps;
    this.#offered = JSON.stringify(deps.offered);
  }

  now(): Pick<WorkRequest, 'vms' | 'vmsStopped' | 'lacking' | 'executors'> {
    const { executors, vms } = this.#deps;
    const offers = executors.offers();
    this.#hasChanged ||= JSON.stringify(offers) !== this.#offered;
    const stops = vmStops(vms);
    const lacks = vms.lacking();
    return {
      vms: vmReports(vms),
      ...(stops.length > 0 ? { vmsStopped: stops } : {}),
      ...(lacks.length > 0 ? { lacking: jobsLacking(lacks) } : {}),
      ...(this.#hasChanged ? { executors: offers } : {}),
    };
  }
}
