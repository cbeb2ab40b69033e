/** The contract: everything that goes over a wire. */
export * from './calls.ts';
export * from './guest.ts';
export * from './job.ts';
export * from './log.ts';
export * from './log-events.ts';
export * from './log-range.ts';
export * from './problem.ts';
export * from './queue.ts';
export * from './result.ts';
export * from './retry-policy.ts';
export * from './routes.ts';
export * from './schedule.ts';
export * from './submit-options.ts';
export * from './system.ts';
export * from './together.ts';
export * from './webhook.ts';
export * from './worker.ts';
