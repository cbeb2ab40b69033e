/** Outcomes: what an attempt ended with, made from what happened. Guests are not believed beyond what can be. */
import type { ExitReply } from '../contract/guest.ts';
import type { Usage, VmFacts } from '../contract/job.ts';
import type { BlixardError, ErrorCode } from '../domain/errors.ts';
import type { EndReason } from '../domain/job.ts';
import { limits } from '../domain/limits.ts';
import type { Outcome } from './executor.ts';

const signalMax = 64;
const exitCodeMax = 255;
/** Exit code of a shell for a command that was found but cannot be run. */
const cannotRun = 126;

/** Everything but the reason is empty unless said. */
export function outcome(reason: EndReason, parts: Partial<Outcome> = {}): Outcome {
  const empty = { exitCode: null, signal: null, message: null, vm: null, usage: null };
  const message = parts.message?.slice(0, limits.reasonLength) ?? null;
  return { ...empty, ...parts, reason, message };
}

/** The same outcome, and what of that which its command left was not kept. */
export function withNotes(ended: Outcome, notes: readonly string[]): Outcome {
  if (notes.length === 0) return ended;
  const message = [...(ended.message === null ? [] : [ended.message]), ...notes].join('; ');
  return outcome(ended.reason, { ...ended, message });
}

/** The outcome of a command that ended by itself. */
export function outcomeOfExit(reply: ExitReply, vm: VmFacts | null): Outcome {
  const usage = usageOf(reply);
  const signal = signalOf(reply);
  if (reply.oom && reply.code !== 0) {
    const message = 'the out-of-memory killer of the microVM struck';
    return outcome('oom', { signal, message, vm, usage });
  }
  if (reply.diskFull === true && reply.code !== 0) {
    const how = signal === null ? `exit code ${reply.code}` : `signal ${signal}`;
    return outcome('disk_full', {
      signal,
      message: `it ended with ${how}, and the disk of the microVM was full`,
      vm,
      usage,
    });
  }
  if (signal !== null) return outcome('signal', { signal, vm, usage });
  if (Number.isInteger(reply.code) && reply.code >= 0 && reply.code <= exitCodeMax) {
    const message = reply.oom ? 'the out-of-memory killer of the microVM struck; the command went on' : null;
    return outcome('exit', { exitCode: reply.code, message, vm, usage });
  }
  return outcome('vm_crashed', { message: `the guest told of exit code ${reply.code}`, vm, usage });
}

/** The signal that ended the command, or null. */
export function signalOf(reply: ExitReply): number | null {
  return Number.isInteger(reply.signal) && reply.signal > 0 && reply.signal <= signalMax
    ? reply.signal
    : null;
}

/** What the command used, as far as the guest told numbers. */
export function usageOf(reply: ExitReply): Usage {
  return {
    wallMs: wholeNumber(reply.wallMs),
    cpuMs: wholeNumber(reply.cpuMs),
    memoryPeakKiB: wholeNumber(reply.maxRssKiB),
  };
}

const reasons: Readonly<Partial<Record<ErrorCode, EndReason>>> = {
  IMAGE_MISSING: 'image_missing',
  IMAGE_INVALID: 'image_missing',
  VM_BOOT_FAILED: 'vm_boot_failed',
  VM_TOO_LARGE: 'vm_too_large',
  VM_LIMIT: 'vm_boot_failed',
  VM_STARTS_STOPPED: 'vm_boot_failed',
  IMAGE_BROKEN: 'image_broken',
  VM_CRASHED: 'vm_crashed',
  GUEST_PROTOCOL: 'vm_crashed',
  VM_MANAGER_UNAVAILABLE: 'executor_unavailable',
};

/** The outcome of an attempt that an error ended. */
export function outcomeOfError(error: BlixardError, vm: VmFacts | null): Outcome {
  if (error.code === 'GUEST_REFUSED') {
    return outcome('exit', { exitCode: cannotRun, message: error.message, vm });
  }
  const retryInMs = error.details['retryInMs'];
  const isRefused = error.code === 'VM_STARTS_STOPPED' || error.code === 'IMAGE_BROKEN';
  const later = isRefused && typeof retryInMs === 'number' ? { retryInMs } : {};
  return outcome(reasons[error.code] ?? 'internal', { message: error.message, vm, ...later });
}

function wholeNumber(value: number): number {
  return Number.isFinite(value) ? Math.min(Math.max(Math.round(value), 0), Number.MAX_SAFE_INTEGER) : 0;
}
