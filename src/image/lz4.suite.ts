/** A small LZ4 packer, so that tests can make what the unpacker must read. */

const matchBytesMin = 4;
/** How far back a match may lie; its distance is a u16. */
const windowBytes = 0xffff;

/** Packs bytes as a legacy LZ4 stream with blocks of `blockBytes` unpacked bytes. */
export function packLegacyLz4(bytes: Buffer, blockBytes: number): Buffer {
  const parts: Buffer[] = [Buffer.from([0x02, 0x21, 0x4c, 0x18])];
  for (let from = 0; from < bytes.length; from += blockBytes) {
    const block = packBlock(bytes.subarray(from, from + blockBytes));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

function packBlock(bytes: Buffer): Buffer {
  const out: number[] = [];
  let literalsFrom = 0;
  let at = 0;
  while (at + matchBytesMin <= bytes.length) {
    const found = bytes.lastIndexOf(bytes.subarray(at, at + matchBytesMin), at - 1);
    if (at === 0 || found < 0 || at - found > windowBytes) {
      at++;
      continue;
    }
    let length = matchBytesMin;
    while (at + length < bytes.length && bytes[found + length] === bytes[at + length]) length++;
    putSequence(out, bytes.subarray(literalsFrom, at), { distance: at - found, length });
    at += length;
    literalsFrom = at;
  }
  putSequence(out, bytes.subarray(literalsFrom));
  return Buffer.from(out);
}

function putSequence(out: number[], literals: Buffer, match?: { distance: number; length: number }): void {
  const matchLength = match === undefined ? 0 : match.length - matchBytesMin;
  out.push((Math.min(literals.length, 15) << 4) | Math.min(matchLength, 15));
  putRest(out, literals.length);
  out.push(...literals);
  if (match === undefined) return;
  out.push(match.distance & 0xff, match.distance >> 8);
  putRest(out, matchLength);
}

function putRest(out: number[], length: number): void {
  if (length < 15) return;
  let rest = length - 15;
  for (; rest >= 255; rest -= 255) out.push(255);
  out.push(rest);
}
