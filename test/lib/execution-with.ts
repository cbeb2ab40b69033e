/** An execution with some of its parts replaced, for tests that watch what an executor does with it. */
import type { Execution } from '../../src/executor/executor.ts';

/** The parts of a running attempt are its own, so each is handed on by name. */
export function executionWith(inner: Execution, parts: Partial<Execution>): Execution {
  return {
    jobId: inner.jobId,
    attempt: inner.attempt,
    spec: inner.spec,
    inputs: inner.inputs,
    stop: inner.stop,
    kill: inner.kill,
    progress: (told) => inner.progress(told),
    result: (json) => inner.result(json),
    artifact: (name, data, last) => inner.artifact(name, data, last),
    output: (stream, data) => inner.output(stream, data),
    started: () => inner.started(),
    ...parts,
  };
}
