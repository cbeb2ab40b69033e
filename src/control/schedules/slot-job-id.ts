/** The id of a slot's job: the same whoever makes it, so that a slot has one job however often it is fired. */
import { createHash } from 'node:crypto';
import { uuidV7 } from '../../domain/ids.ts';

/** The id of the job that is triggered with this key. */
export function triggeredJobId(schedule: string, createdAtMs: number, idempotencyKey: string): string {
  const hash = createHash('sha256').update(`${schedule}\n${createdAtMs}\nkey ${idempotencyKey}`).digest();
  return uuidV7(createdAtMs, hash);
}

/** `createdAtMs` tells a schedule from an earlier one of the same name. */
export function slotJobId(schedule: string, createdAtMs: number, slotMs: number): string {
  const hash = createHash('sha256').update(`${schedule}\n${createdAtMs}\n${slotMs}`).digest();
  return uuidV7(slotMs, hash);
}
