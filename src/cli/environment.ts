/** The environment of a job from `-e` and `--env-file`, as `docker run` reads them. */
import { BlixardError } from '../domain/errors.ts';

/** Environment variables by name. */
export type Env = Readonly<Record<string, string>>;

/** `NAME=value`, or `NAME` alone to pass on the caller's own value (nothing when it has none). */
export function envOfFlags(
  entries: readonly string[],
  own: Readonly<Record<string, string | undefined>>,
): Env {
  const env: Record<string, string> = {};
  for (const entry of entries) {
    const [name, value] = splitEntry(entry, '-e');
    const given = value ?? own[name];
    if (given !== undefined) env[name] = given;
  }
  return env;
}

/** Lines of `NAME=value`; empty lines and lines that start with # are left out. */
export function envOfFile(
  contents: string,
  file: string,
  own: Readonly<Record<string, string | undefined>>,
): Env {
  const lines = contents.split(/\r?\n/);
  const env: Record<string, string> = {};
  for (const [index, line] of lines.entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [name, value] = splitEntry(line, `${file}:${index + 1}`);
    const given = value ?? own[name];
    if (given !== undefined) env[name] = given;
  }
  return env;
}

function splitEntry(entry: string, source: string): readonly [string, string | undefined] {
  const at = entry.indexOf('=');
  const name = at < 0 ? entry : entry.slice(0, at);
  if (!/^[A-Za-z_]\w*$/.test(name)) {
    const problem = `${source} ${entry}: it must be NAME=value, NAME made of letters, digits and _`;
    throw new BlixardError('USAGE', { problem });
  }
  return [name, at < 0 ? undefined : entry.slice(at + 1)];
}
