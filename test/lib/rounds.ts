/** How often the chaos tests run, and what each run is made of: a seed decides its moments. */
import { type Random, seededRandom } from '../../src/platform/random.ts';

const isLong = process.env['BLIXARD_TEST_LONG'] === '1';

/** Seeds for `it.each`: 2, in the long run 20. A failing test names its seed; BLIXARD_TEST_SEED=N runs only that. */
export function seeds(count = isLong ? 20 : 2): number[] {
  const only = process.env['BLIXARD_TEST_SEED'];
  return only === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(only)];
}

/** The moments and choices of one run. */
export class Chance {
  readonly #random: Random;

  /** `recipe` makes the same seed mean different moments in different tests. */
  constructor(recipe: string, seed: number) {
    this.#random = seededRandom(
      seed * 65_537 + [...recipe].reduce((sum, char) => sum * 31 + char.charCodeAt(0), 7),
    );
  }

  /** A whole number in [from, to). */
  between(from: number, to: number): number {
    return from + Math.floor(this.#random.unit() * (to - from));
  }

  of<const T>(choices: readonly [T, ...T[]]): T {
    return choices[this.between(0, choices.length)] ?? choices[0];
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
