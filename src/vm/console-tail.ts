/** What a VM's console and its VMM say of its end, as one line that fits into a message. */
import type { VmExit } from '../hypervisor/hypervisor.ts';

const controls = /[\p{Cc}\p{Cs}\s]+/gu;
const halves = /\p{Cs}/gu;
/** A panic is followed by a page of registers; its first line is what tells. */
const panic = 'Kernel panic';
/** A microVM has no PCI bus, and every boot complains of it; told as last words it would look like the cause. */
const harmless = /^.*PCI: Fatal: No config space access function found.*$/gm;

/**
 * What goes behind the words of an error about a VM that has ended: `; VMM: …` and `; console: …`, where either said
 * anything; at most `maxLength` characters together.
 */
export function lastWords(console: string, { stderr }: VmExit, maxLength: number): string {
  const ofVmm = led('; VMM: ', stderr, maxLength);
  return ofVmm + led('; console: ', console, maxLength - ofVmm.length);
}

function led(lead: string, text: string, maxLength: number): string {
  const tail = consoleTail(text, maxLength - lead.length);
  return tail === '' ? '' : lead + tail;
}

/** The console from its last panic on, else its end; printable, at most `maxLength` characters. */
export function consoleTail(text: string, maxLength: number): string {
  const line = text.replace(harmless, ' ').replace(controls, ' ').trim();
  const panicAt = line.lastIndexOf(panic);
  if (panicAt >= 0)
    return cut(line.slice(panicAt), maxLength, (whole, length) => `${whole.slice(0, length)}…`);
  return cut(line, maxLength, (whole, length) => `…${whole.slice(whole.length - length)}`);
}

function cut(line: string, maxLength: number, shorten: (line: string, length: number) => string): string {
  if (line.length <= maxLength) return line;
  // A cut through a surrogate pair leaves a half, which goes too.
  return maxLength <= 0 ? '' : shorten(line, maxLength - 1).replace(halves, '');
}
