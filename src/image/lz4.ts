/** Unpacks the legacy LZ4 format, in which Debian packs the kernel inside a bzImage. */

const magic = 0x184c2102;
/** A match is at least this long; shorter ones are not encoded. */
const matchBytesMin = 4;

/**
 * Unpacks one legacy LZ4 stream: magic, then blocks of `u32 packed length | packed bytes`, little-endian.
 *
 * @param bytes length of the result, known to the caller.
 * @throws RangeError when the stream is malformed or the result has another length.
 */
export function unpackLegacyLz4(packed: Buffer, bytes: number): Buffer {
  if (packed.length < 4 || packed.readUInt32LE(0) !== magic) throw new RangeError('not a legacy LZ4 stream');
  const out = Buffer.alloc(bytes);
  let filled = 0;
  let at = 4;
  while (at < packed.length) {
    const end = at + 4 + packed.readUInt32LE(at);
    if (end > packed.length) throw new RangeError('an LZ4 block ends behind the stream');
    filled = unpackBlock(packed.subarray(at + 4, end), out, filled);
    at = end;
  }
  if (filled !== bytes) throw new RangeError(`LZ4 gave ${filled} bytes, not ${bytes}`);
  return out;
}

/** Unpacks one block into `out` at `filled`; returns where it ends. */
function unpackBlock(block: Buffer, out: Buffer, filled: number): number {
  let from = 0;
  let to = filled;
  const byte = (): number => block.readUInt8(from++);
  const length = (nibble: number): number => {
    let sum = nibble;
    if (nibble !== 15) return sum;
    for (let more = 255; more === 255; sum += more) more = byte();
    return sum;
  };
  while (from < block.length) {
    const token = byte();
    const literals = length(token >> 4);
    if (from + literals > block.length || to + literals > out.length) throw new RangeError('LZ4 literals');
    block.copy(out, to, from, from + literals);
    from += literals;
    to += literals;
    if (from === block.length) break;
    const distance = block.readUInt16LE(from);
    from += 2;
    to = copyMatch(out, to, distance, matchBytesMin + length(token & 15));
  }
  return to;
}

function copyMatch(out: Buffer, to: number, distance: number, bytes: number): number {
  if (distance === 0 || distance > to || to + bytes > out.length) throw new RangeError('LZ4 match');
  // A match may reach into what it is writing; it then repeats its first `distance` bytes.
  if (distance >= bytes) out.copy(out, to, to - distance, to - distance + bytes);
  else for (let i = 0; i < bytes; i++) out[to + i] = out[to + i - distance] ?? 0;
  return to + bytes;
}
