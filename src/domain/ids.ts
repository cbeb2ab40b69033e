/** Ids are UUID version 7 (RFC 9562): text, sortable by time. Time and random bytes come in as arguments. */

export const uuidPattern = '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$';
const uuid = new RegExp(uuidPattern);
/** Each byte as two hex digits. */
const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function isUuidV7(text: string): boolean {
  return uuid.test(text);
}

/**
 * @param timeMs epoch ms, the first 48 bits.
 * @param random at least 10 random bytes.
 */
export function uuidV7(timeMs: number, random: Uint8Array): string {
  if (random.length < 10) throw new RangeError(`uuidV7 needs 10 random bytes, got ${random.length}`);
  const at = (index: number): string => hex[random[index] ?? 0] ?? '';
  // By bytes of the two halves: to tell a number in base 16 costs as much as the rest.
  const half = (bits: number): string =>
    `${hex[(bits >>> 16) & 0xff]}${hex[(bits >>> 8) & 0xff]}${hex[bits & 0xff]}`;
  const time = half(Math.floor(timeMs / 2 ** 24)) + half(Math.floor(timeMs) % 2 ** 24);
  const version = hex[0x70 | ((random[0] ?? 0) & 0x0f)];
  const variant = hex[0x80 | ((random[2] ?? 0) & 0x3f)];
  const rest = `${at(4)}${at(5)}${at(6)}${at(7)}${at(8)}${at(9)}`;
  return `${time.slice(0, 8)}-${time.slice(8)}-${version}${at(1)}-${variant}${at(3)}-${rest}`;
}

/** The time inside a UUID v7, epoch ms. */
export function timeOfUuidV7(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
