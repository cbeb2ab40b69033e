/** Ids are UUID version 7 (RFC 9562): text, sortable by time. Time and random bytes come in as arguments. */

export const uuidPattern = '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$';
const uuid = new RegExp(uuidPattern);

export function isUuidV7(text: string): boolean {
  return uuid.test(text);
}

/**
 * @param timeMs epoch ms, the first 48 bits.
 * @param random at least 10 random bytes.
 */
export function uuidV7(timeMs: number, random: Uint8Array): string {
  if (random.length < 10) throw new RangeError(`uuidV7 needs 10 random bytes, got ${random.length}`);
  const bytes = [
    ...timeBytes(timeMs),
    0x70 | ((random[0] ?? 0) & 0x0f),
    random[1] ?? 0,
    0x80 | ((random[2] ?? 0) & 0x3f),
    ...random.subarray(3, 10),
  ];
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The time inside a UUID v7, epoch ms. */
export function timeOfUuidV7(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

function timeBytes(timeMs: number): number[] {
  const bytes: number[] = [];
  for (let power = 5; power >= 0; power--) bytes.push(Math.floor(timeMs / 256 ** power) % 256);
  return bytes;
}
