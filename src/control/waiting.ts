/** Says in words why a pending or claimed job does not start, from the workers that are online and what they tell. */
import type { Job } from '../contract/job.ts';
import type { JobLacking } from '../contract/vm.ts';
import type { Worker } from '../contract/worker.ts';
import { fullImageName } from './image-name.ts';
import { hasRoom, offerOf, tooLargeText } from './placement.ts';

/** Why nobody takes a job while no worker is online; `draining`: how many take no more. */
export function whyNobody(draining: number): string {
  if (draining === 0) return 'No worker is online; blixard worker --server URL starts one.';
  const take = draining === 1 ? '1 is draining and takes' : `${draining} are draining and take`;
  return `No worker is online; ${take} no more jobs before being started again.`;
}

/** The first thing that is missing; null when a worker could take the job now. `spec`: with its next memory. */
export function whyWaiting(spec: Job['spec'], online: readonly Worker[]): string | null {
  const offering = online.filter((worker) => offerOf(worker, spec.executor) !== undefined);
  if (offering.length === 0) return `No online worker offers the executor ${spec.executor}.`;
  const able = offering.filter((worker) => offerOf(worker, spec.executor)?.unavailable === null);
  if (able.length === 0) return unableText(spec.executor, offering);
  const serving = able.filter((worker) => worker.queues.includes(spec.queue));
  if (serving.length === 0)
    return `No online worker with the executor ${spec.executor} serves the queue ${spec.queue}.`;
  return imageText(spec.image, serving) ?? roomText(spec, serving);
}

/** Why a job that has a worker is not started by it yet. */
export function whyHeld(workerName: string, { text }: Pick<JobLacking, 'text'>): string {
  return `Its worker ${workerName} has ${text}.`;
}

function unableText(executor: string, offering: readonly Worker[]): string {
  const [first] = offering;
  const others = offering.length > 1 ? ` (and ${offering.length - 1} more)` : '';
  const reason = first === undefined ? null : offerOf(first, executor)?.unavailable;
  const said = `worker ${first?.name} says "${reason}"${others}`;
  return `No online worker can run the executor ${executor}: ${said}.`;
}

/** Workers that tell no images, for executors that need none, take any job. */
function imageText(image: string, serving: readonly Worker[]): string | null {
  const wanted = fullImageName(image);
  const missing = (worker: Worker): boolean =>
    worker.images.length > 0 && worker.images.every(({ name }) => fullImageName(name) !== wanted);
  return serving.every(missing) ? `No online worker that could run it has the image ${wanted}.` : null;
}

function roomText(spec: Job['spec'], serving: readonly Worker[]): string | null {
  const large = serving.filter((worker) => hasRoom(worker, spec) !== false);
  return large.length === 0 ? tooLargeText(spec, serving) : slotsText(large);
}

function slotsText(serving: readonly Worker[]): string | null {
  if (serving.some((worker) => worker.held < worker.slots)) return null;
  const slots = serving.reduce((sum, worker) => sum + worker.slots, 0);
  return `The online workers that could run it have no free slot (${slots} in use).`;
}
