/** The microVM as its worker sees it. */
import { defineMachine } from './machine.ts';

export type VmState = 'starting' | 'ready' | 'busy' | 'idle' | 'draining' | 'terminated' | 'failed';

export const vmMachine = defineMachine<VmState>('vm', {
  starting: { ready: 'agent said hello', terminated: 'stopped while starting', failed: 'did not start' },
  ready: { busy: 'job handed over', draining: 'stop', terminated: 'killed', failed: 'crashed' },
  busy: {
    idle: 'service VM: job ended',
    draining: 'ephemeral VM: job ended',
    terminated: 'killed',
    failed: 'crashed',
  },
  idle: { busy: 'next job', draining: 'idle too long, or recycled', terminated: 'killed', failed: 'crashed' },
  draining: { terminated: 'gone', failed: 'crashed' },
  terminated: {},
  failed: {},
});
