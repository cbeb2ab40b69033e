/** Workers inside an application. See `startFunctionWorker` for an example. */
export type { JobFunction } from '../executor/function-executor.ts';
export type { FunctionJob } from '../executor/function-run.ts';
export {
  type FunctionWorker,
  type FunctionWorkerOptions,
  startFunctionWorker,
} from './start-function-worker.ts';
