/** What a verification looked at and what it found, by invariant; bounded however broken a store is. */
import { limits } from '../../domain/limits.ts';

/** The invariants that a store and what lies beside it can be held to, in words; `store` is all that must agree. */
export const invariants = {
  I1: 'every accepted job exists, and has ended or can run',
  I2: 'a job has at most one live attempt',
  I3: 'attempts are numbered 1, 2, 3, …',
  I4: 'an ended state changes only by a retry of a user',
  I5: 'what an older holder says changes nothing',
  I6: 'an attempt has its side effects at most once',
  I7: 'no folder, file or process is left that nothing owns',
  I8: 'no queue and no key held more jobs than its limit, or was over its rate',
  I9: 'events have no gap, and replayed they lead to what is stored',
  store: 'what is stored agrees with itself',
} as const;

export type Invariant = keyof typeof invariants;

/** One rule that did not hold. */
export interface Violation {
  readonly rule: string;
  /** How often; at least so often when `more`. */
  readonly count: number;
  readonly more: boolean;
  /** The first of them, at most `limits.violationsShown`. */
  readonly rows: readonly string[];
}

/** What became of one invariant. */
export interface Finding {
  readonly invariant: Invariant;
  readonly text: string;
  readonly result: 'ok' | 'violated' | 'unchecked';
  /** Rules looked at. */
  readonly rules: number;
  /** How many rows of each kind were looked at. */
  readonly looked: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
}

interface Broken {
  count: number;
  more: boolean;
  readonly rows: string[];
}

/** Collects while the checks run. */
export class Findings {
  readonly #rules = new Map<Invariant, Set<string>>();
  readonly #looked = new Map<Invariant, Map<string, number>>();
  readonly #broken = new Map<Invariant, Map<string, Broken>>();

  /** A rule was held against so many things of a kind, such as `jobs`. */
  looked(invariant: Invariant, rule: string, kind: string, count: number): void {
    within(this.#rules, invariant, () => new Set<string>()).add(rule);
    const kinds = within(this.#looked, invariant, () => new Map<string, number>());
    kinds.set(kind, Math.max(kinds.get(kind) ?? 0, count));
  }

  /** A rule does not hold, as this row shows; null: there are more rows than were read. */
  violated(invariant: Invariant, rule: string, row: string | null): void {
    within(this.#rules, invariant, () => new Set<string>()).add(rule);
    const rules = within(this.#broken, invariant, () => new Map<string, Broken>());
    const broken = within(rules, rule, () => ({ count: 0, more: false, rows: [] }));
    if (row === null) broken.more = true;
    else if (++broken.count <= limits.violationsShown) broken.rows.push(row);
  }

  /** One for each invariant, in their order. */
  all(): readonly Finding[] {
    return (Object.keys(invariants) as Invariant[]).map((invariant) => {
      const rules = this.#rules.get(invariant)?.size ?? 0;
      const broken = [...(this.#broken.get(invariant) ?? [])];
      return {
        invariant,
        text: invariants[invariant],
        result: broken.length > 0 ? 'violated' : rules > 0 ? 'ok' : 'unchecked',
        rules,
        looked: Object.fromEntries(this.#looked.get(invariant) ?? []),
        violations: broken.map(([rule, { count, more, rows }]) => ({ rule, count, more, rows })),
      };
    });
  }
}

/** Every violation as one line: `I1: rule: row`; none for a sound store. */
export function violationLines(findings: readonly Finding[]): string[] {
  return findings.flatMap(({ invariant, violations }) =>
    violations.flatMap(({ rule, rows }) =>
      rows.map((row) => `${invariant === 'store' ? '' : `${invariant}: `}${rule}: ${row}`),
    ),
  );
}

function within<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
