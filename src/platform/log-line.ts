/** A log line as people read it on a terminal; programs get the JSON. */
const levels: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};

/** `15:04:05 info  message  key=value …` with a newline. */
export function logLineForPeople(json: string): string {
  const entry = JSON.parse(json) as Record<string, unknown>;
  const { level, time, msg, err, ...rest } = entry;
  const known = Object.entries(rest).filter(([, value]) => value !== null);
  const details = known.map(([name, value]) => `${name}=${textOf(value)}`);
  const failure = err === undefined ? [] : [messageOf(err)];
  const head = `${String(time).slice(11, 19)} ${(levels[Number(level)] ?? '?').padEnd(5)} ${String(msg)}`;
  return `${[head, ...failure, ...details].join('  ')}\n`;
}

function textOf(value: unknown): string {
  return typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value);
}

function messageOf(err: unknown): string {
  const { message } = err as { readonly message?: unknown };
  return typeof message === 'string' ? message : JSON.stringify(err);
}
