/** Errors of microVMs, their guests and images, and of executors. */
import type { ErrorEntry } from './entry.ts';

export const vmErrors = {
  VM_MANAGER_UNAVAILABLE: {
    fault: 'system',
    status: 503,
    exitCode: 69,
    message: 'VM manager is not available (SKIP_VM_MANAGER may be set): {reason}',
    hint: 'blixard doctor says what is missing and how to mend it.',
  },
  VM_BOOT_FAILED: {
    fault: 'system',
    status: 503,
    exitCode: 125,
    message: 'The microVM did not start: {problem}',
    hint: 'The console of the VM is kept in the attempt; blixard doctor checks the host.',
  },
  VM_CRASHED: {
    fault: 'system',
    status: 503,
    exitCode: 125,
    message: 'The microVM ended unexpectedly: {problem}',
    hint: 'The console of the VM is kept in the attempt.',
  },
  VMM_REFUSED: {
    fault: 'system',
    status: 503,
    exitCode: 125,
    message: 'The VMM did not {act}: {problem}',
    hint: 'The VM is ended, and another one started in its place.',
  },
  VM_LIMIT: {
    fault: 'transient',
    status: 503,
    exitCode: 75,
    message: 'The host has no room for another microVM: {problem}',
    hint: 'Wait for a running job to end, or raise the limit.',
  },
  TEMPLATE_FAILED: {
    fault: 'system',
    status: 503,
    exitCode: 69,
    message: 'There is no template of {image} to start microVMs from: {problem}',
    hint: 'Jobs run all the same; their VMs are booted.',
  },
  GUEST_PROTOCOL: {
    fault: 'system',
    status: 502,
    exitCode: 125,
    message: 'The guest broke the protocol: {problem}',
    hint: 'Its VM has been ended.',
  },
  GUEST_REFUSED: {
    fault: 'caller',
    status: 422,
    exitCode: 126,
    message: 'The guest could not run the command: {problem}',
    hint: 'Check command, cwd and uid.',
  },
  IMAGE_MISSING: {
    fault: 'system',
    status: 503,
    exitCode: 69,
    message: 'The image {image} is not on this host; there are: {known}.',
    hint: 'blixard image build base builds the base image.',
  },
  IMAGE_INVALID: {
    fault: 'system',
    status: 503,
    exitCode: 69,
    message: 'The image {image} on this host is damaged: {problem}',
    hint: 'blixard image build base builds the base image anew.',
  },
  IMAGE_BUILD_FAILED: {
    fault: 'system',
    status: 500,
    exitCode: 69,
    message: 'Building {what} failed: {problem}',
    hint: 'blixard doctor lists the programs an image build needs.',
  },
  EXECUTOR_UNAVAILABLE: {
    fault: 'system',
    status: 503,
    exitCode: 69,
    message: 'This worker has no executor {executor}; it has: {known}.',
    hint: 'Start a worker that offers it.',
  },
} as const satisfies Record<string, ErrorEntry>;
