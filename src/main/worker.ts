/** `blixard worker`: a worker alone, which reaches its control node over HTTP. */
import { isBlixardError } from '../domain/errors.ts';
import { StandaloneWorkerFactory } from '../worker/standalone-worker-factory.ts';
import type { Config } from './config-keys.ts';
import { runUntilInterrupted, sayDraining } from './lifetime.ts';
import { type Machine, nodeDepsOf } from './machine.ts';
import { hostVmConfigOf, workerConfigOf } from './worker-config.ts';

/** Resolves with the exit code when the process was told to end and has. */
export async function runWorker(machine: Machine, config: Config): Promise<number> {
  const { server: serverUrl, imagesDir, stopGraceMs, drainGraceMs } = config;
  const deps = nodeDepsOf(machine, config);
  const factory = new StandaloneWorkerFactory({
    ...deps,
    config: {
      ...workerConfigOf(config, machine.version),
      ...hostVmConfigOf(config),
      serverUrl,
      imagesDir,
      stopGraceMs,
    },
  });
  const worker = await factory.create();
  const running = {
    drain: () => worker.drain(drainGraceMs),
    kill: () => worker.kill(),
    stopped: worker.stopped,
  };
  const ending = { onInterrupt: machine.onInterrupt, onStop: sayDraining(deps.log, drainGraceMs) };
  try {
    // A worker waits for a server that is away, and can be told to end while it does.
    return await Promise.race([runUntilInterrupted(running, ending), failureOf(worker.start())]);
  } catch (error) {
    await worker.kill();
    throw error;
  }
}

/** Rejects when the start fails; being told to end is no failure. */
function failureOf(started: Promise<void>): Promise<never> {
  return new Promise((_resolve, reject) => {
    started.catch((error: unknown) => {
      if (!isBlixardError(error, 'WORKER_STOPPED')) reject(error);
    });
  });
}
