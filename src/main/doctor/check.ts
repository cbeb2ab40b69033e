/** A check of `blixard doctor`: looks at one thing and says how to mend it. */
import type { Finding } from '../../cli/context.ts';
import { problemOf } from '../../domain/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Config } from '../config-keys.ts';

export interface Surgery {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

export interface Check {
  readonly name: string;
  look(surgery: Surgery): Promise<Diagnosis>;
}

export type Diagnosis = Omit<Finding, 'check'>;

export function ok(text: string): Diagnosis {
  return { result: 'ok', text, mend: null };
}

export function warn(text: string, mend: string): Diagnosis {
  return { result: 'warn', text, mend };
}

export function fail(text: string, mend: string): Diagnosis {
  return { result: 'fail', text, mend };
}

/** Runs all checks side by side. A check that breaks is a failure of what it looked at. */
export async function examine(checks: readonly Check[], surgery: Surgery): Promise<readonly Finding[]> {
  return await Promise.all(
    checks.map(async ({ name, look }) => {
      try {
        return { check: name, ...(await look(surgery)) };
      } catch (error) {
        return { check: name, ...fail(problemOf(error), 'This should not happen: blixard doctor --verbose') };
      }
    }),
  );
}
