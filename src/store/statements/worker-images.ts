/** The images of a worker, told anew while it works. */
import { workerMachine } from '../../domain/worker.ts';
import { define, literals } from './define.ts';

const leased = literals(workerMachine.sourcesOf('offline'));
const isItsGeneration = `EXISTS (SELECT 1 FROM workers
     WHERE id = :workerId AND generation = :generation AND state IN (${leased}))`;

/** Forgets the images of this generation of a worker. */
export const forgetImagesOf = define<{ workerId: string; generation: number }>(
  'workerImages.forget',
  `DELETE FROM worker_images WHERE worker_id = :workerId AND ${isItsGeneration}`,
);

/** The images of this generation of a worker: `[{image, name, digest}]`; `image` is the full name. */
export const insertImagesOf = define<{ workerId: string; generation: number; images: string }>(
  'workerImages.insert',
  `INSERT INTO worker_images (image, worker_id, name, digest)
   SELECT d.value->>'image', :workerId, d.value->>'name', d.value->>'digest' FROM json_each(:images) AS d
   WHERE ${isItsGeneration} ON CONFLICT (image, worker_id) DO NOTHING`,
);
