/** The five jobs of the demo, and how each is expected to end. */
import type { Job, SubmitJob } from '../../src/contract/job.ts';

/** A job and what it is there to show. */
export interface DemoJob {
  readonly name: string;
  /** What it shows. */
  readonly about: string;
  readonly submit: SubmitJob;
  readonly expected: Partial<Pick<Job, 'state' | 'reason' | 'exitCode'>>;
  /** Cancelled this long after its first output, ms. */
  readonly cancelAfterMs?: number;
}

const shell = (script: string): SubmitJob => ({ command: ['sh', '-c', script] });

/** In the order they are submitted. */
export const demoJobs: readonly DemoJob[] = [
  {
    name: 'facts',
    about: 'tells what machine it is in',
    submit: shell('uname -sr; grep MemTotal /proc/meminfo; echo "CPUs: $(nproc)"; id'),
    expected: { state: 'completed', reason: 'exit', exitCode: 0 },
  },
  {
    name: 'fails',
    about: 'exits with code 3',
    submit: shell('echo "something is wrong" >&2; exit 3'),
    expected: { state: 'failed', reason: 'exit', exitCode: 3 },
  },
  {
    name: 'streams',
    about: 'prints a line a second',
    submit: shell('for i in 1 2 3 4 5; do echo "line $i of 5"; sleep 1; done'),
    expected: { state: 'completed', reason: 'exit', exitCode: 0 },
  },
  {
    name: 'cancelled',
    about: 'is cancelled while it runs',
    submit: shell('echo "working for a minute"; sleep 60'),
    cancelAfterMs: 1_000,
    expected: { state: 'cancelled', reason: 'cancelled' },
  },
  {
    name: 'timeout',
    about: 'runs longer than its timeout of 2 s',
    submit: { ...shell('echo "too slow"; sleep 60'), timeoutMs: 2_000 },
    expected: { state: 'failed', reason: 'timeout' },
  },
];
