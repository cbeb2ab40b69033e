/** Durations and sizes as people write them. */

const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `1500ms`, `30s`, `5m`, `1h30m`, `2d` → ms; a bare number is seconds. Undefined when it is none of these. */
export function parseDurationMs(text: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1_000);
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, value, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(value) * (durationUnits[unit ?? ''] ?? 0);
  }
  return Math.round(total);
}

/** `256`, `256m`, `256MiB`, `1g` → MiB; a bare number is MiB. Undefined when it is none of these. */
export function parseMemoryMiB(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(m|g)?(?:i?b)?$/i.exec(text);
  if (match === null) return undefined;
  const factor = match[2]?.toLowerCase() === 'g' ? 1_024 : 1;
  return Math.round(Number(match[1]) * factor);
}

/** 950 → `950ms`, 61_500 → `1m1s`, 3_600_000 → `1h`; two units at most. */
export function formatDurationMs(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  if (ms < 10_000) return `${Math.floor(ms / 100) / 10}s`;
  const parts: string[] = [];
  let rest = Math.floor(ms / 1_000);
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join('');
}

/** 1536 → `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
