/** Choices of the one generator that decides everything in a run. */
import type { Random } from '../../src/platform/random.ts';

/** Picks from ranges, lists and weights. */
export class Chance {
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /** True in this share of the cases. */
  of(share: number): boolean {
    return this.random.unit() < share;
  }

  /** A whole number, both ends included. */
  from(min: number, max: number): number {
    return min + Math.floor(this.random.unit() * (max - min + 1));
  }

  pick<const T>(list: readonly [T, ...T[]]): T {
    return list[Math.floor(this.random.unit() * list.length)] ?? list[0];
  }

  /** One of a list that may be empty. */
  any<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.random.unit() * list.length)];
  }

  weighted<T>(weights: readonly (readonly [number, T])[]): T | undefined {
    let left = this.random.unit() * weights.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, value] of weights) {
      left -= weight;
      if (left < 0) return value;
    }
    return weights.at(-1)?.[1];
  }
}
