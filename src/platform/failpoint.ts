/** Named places where a test has this process die or stand still, as a crash or a freeze right there would. */
import { BlixardError } from '../domain/errors.ts';

/** Every failpoint, and what is done and not done yet when it is passed. */
export const failpoints = {
  'attempt-claimed': 'a worker has a claim and has not begun to run it',
  'attempt-started': 'the server knows that the attempt runs; its command has not begun',
  'attempt-ended': 'the command has ended and all its output is with the server; the end is not reported',
  'vm-recorded': 'the record of a VM is on disk; its VMM is not spawned',
  'vm-spawned': 'the VMM runs; no record has its pid',
  'vm-greeted': 'the guest has said hello; nobody was given the VM',
  'vm-ended': 'the VMM is gone; its record is still on disk',
  'store-committed': 'a transaction is on disk; nobody was answered',
  'log-appended': 'output is in the file of its log; the worker was not answered',
  'schedule-moved': 'a slot is decided and its run is written; its job is not submitted',
  'jobs-forgotten': 'the rows of forgotten jobs are gone; their logs are still there',
} as const;

/** The name of one of them. */
export type Failpoint = keyof typeof failpoints;

/** The environment variable that arms one: `NAME:kill` or `NAME:stop`, and `:N` for the N-th time it is passed. */
export const failpointEnv = 'BLIXARD_FAILPOINT';

const actions = { kill: 'SIGKILL', stop: 'SIGSTOP' } as const;

interface Armed {
  readonly name: Failpoint;
  readonly signal: (typeof actions)[keyof typeof actions];
  passesLeft: number;
}

let armed: Armed | undefined;

/** Arms what the variable says; unset or empty, nothing. Throws CONFIG_INVALID. */
export function armFailpoint(text: string | undefined): void {
  armed = text === undefined || text === '' ? undefined : parse(text);
}

/** To be called at the place itself; without effect unless a test armed this name. */
export function failpoint(name: Failpoint): void {
  if (armed?.name !== name || --armed.passesLeft !== 0) return;
  process.kill(process.pid, armed.signal);
}

function parse(text: string): Armed {
  const [, name = '', action = '', count = '1'] = /^([a-z-]+):(\w+)(?::([1-9]\d{0,5}))?$/.exec(text) ?? [];
  const signal = Object.entries(actions).find(([known]) => known === action)?.[1];
  if (!isFailpoint(name) || signal === undefined) {
    const names = Object.keys(failpoints).join(', ');
    const problem = `it must be NAME:kill or NAME:stop, or either with :N; names: ${names}`;
    throw new BlixardError('CONFIG_INVALID', {
      key: failpointEnv,
      value: text,
      source: 'environment',
      problem,
    });
  }
  return { name, signal, passesLeft: Number(count) };
}

function isFailpoint(name: string): name is Failpoint {
  return Object.hasOwn(failpoints, name);
}
