/** A check of `blixard doctor`: looks at one thing and says how to mend it. */
import type { Finding } from '../../cli/context.ts';
import { problemOf } from '../../domain/errors.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Config } from '../config-keys.ts';

/** What checks may look at. */
export interface Surgery {
  readonly config: Config;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}

/** One thing that is looked at. */
export interface Check {
  readonly name: string;
  look(surgery: Surgery): Promise<Diagnosis>;
}

/** What a check found. */
export type Diagnosis = Omit<Finding, 'check'>;

/** Nothing is wrong. */
export function ok(text: string): Diagnosis {
  return { result: 'ok', text, mend: null };
}

/** Jobs can run, but something is worth a look; `mend` says what to do. */
export function warn(text: string, mend: string): Diagnosis {
  return { result: 'warn', text, mend };
}

/** No job can run here until this is mended as `mend` says. */
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
        return { check: name, ...fail(problemOf(error), 'Mend what this names, then look again.') };
      }
    }),
  );
}
