/** Randomness as a port: the kernel's, and a seeded one for tests. */
import { randomBytes, randomInt } from 'node:crypto';
import { uuidV7 } from '../domain/ids.ts';
import type { Clock } from './clock.ts';

export interface Random {
  /** `length` random bytes. */
  bytes(length: number): Uint8Array;
  /** A number in [0, 1). */
  unit(): number;
}

const resolution = 2 ** 47;

/** Bytes drawn at once: one call of the kernel for each id would cost more than the rest of making it. */
const drawnBytes = 4_096;

function pooledBytes(): (length: number) => Uint8Array {
  let pool = new Uint8Array();
  return (length) => {
    if (length > pool.length) pool = randomBytes(Math.max(length, drawnBytes));
    const taken = pool.slice(0, length);
    pool = pool.subarray(length);
    return taken;
  };
}

export const realRandom: Random = {
  bytes: pooledBytes(),
  unit: () => randomInt(resolution) / resolution,
};

/** The same numbers for the same seed (mulberry32). Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const unit = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return { unit, bytes: (length) => Uint8Array.from({ length }, () => Math.floor(unit() * 256)) };
}

/** Makes ids; each is later in order than the one before it, also within one millisecond. */
export type Ids = () => string;

export function makeIds(clock: Clock, random: Random): Ids {
  let lastMs = 0;
  let counter = 0;
  return () => {
    const nowMs = clock.nowMs();
    if (nowMs > lastMs) {
      lastMs = nowMs;
      counter = 0;
    } else if (++counter > 0xfff) {
      lastMs++;
      counter = 0;
    }
    const bytes = random.bytes(10);
    bytes[0] = counter >> 8;
    bytes[1] = counter & 0xff;
    return uuidV7(lastMs, bytes);
  };
}
