/** Writes an amount of memory for people. */
import { formatBytes } from '../../domain/units.ts';

/** `-` for one that is not known. */
export function memoryText(kiB: number | null | undefined): string {
  return kiB === null || kiB === undefined ? '-' : formatBytes(kiB * 1_024);
}
