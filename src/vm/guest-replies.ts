/** Reads what the guest says. The guest may be hostile: whatever is not exactly as agreed is a GUEST_PROTOCOL. */
import type { ExitReply, HelloReply } from '../contract/guest.ts';
import { strict } from '../contract/schema.ts';
import { Type } from '../contract/typebox.ts';
import { Compile } from '../contract/typebox-check.ts';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';

const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Words end up on terminals, which obey control characters. */
const controls = /\p{Cc}+/gu;
const shortText = Type.String({ maxLength: 200 });

const helloReply = Compile(
  strict({
    version: count,
    token: shortText,
    bootId: shortText,
    kernel: shortText,
    uptimeMs: count,
    timeMs: count,
    memoryKiB: count,
  }),
);

const exitReply = Compile(
  strict({
    code: Type.Integer({ minimum: -1, maximum: 255 }),
    signal: Type.Integer({ minimum: 0, maximum: 64 }),
    wallMs: count,
    cpuMs: count,
    maxRssKiB: count,
    oom: Type.Boolean(),
    diskFull: Type.Optional(Type.Boolean()),
  }),
);

/** The error of a guest that said what it must not say. */
export function guestBroke(problem: string, cause?: unknown): BlixardError {
  return new BlixardError('GUEST_PROTOCOL', { problem }, { cause });
}

/** A hello reply, its shape checked. */
export function readHelloReply(payload: Buffer): HelloReply {
  const value = parseJson(payload);
  if (!helloReply.Check(value)) throw guestBroke('a hello reply of the wrong shape');
  return value;
}

/** An exit reply: an exit code, or -1 and a signal. */
export function readExitReply(payload: Buffer): ExitReply {
  const value = parseJson(payload);
  if (!exitReply.Check(value) || (value.code === -1) !== value.signal > 0) {
    throw guestBroke('an exit of the wrong shape');
  }
  return value;
}

/** The payload of a credit, in bytes; never 0, so that no guest can go on and on about credit. */
export function readCredit(payload: Buffer): number {
  if (payload.length !== 4) throw guestBroke(`a credit of ${payload.length} bytes`);
  const bytes = payload.readUInt32LE(0);
  if (bytes === 0) throw guestBroke('a credit of nothing');
  return bytes;
}

/** The words of a refusal, printable and cut to a length fit for an error message. */
export function readRefusal(payload: Buffer): string {
  return payload.toString('utf8', 0, limits.reasonLength).replace(controls, ' ');
}

function parseJson(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'));
  } catch (error) {
    throw guestBroke('an answer that is not JSON', error);
  }
}
