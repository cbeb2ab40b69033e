/** Takes the kernel proper out of a bzImage: an ELF file with a PVH entry, which starts faster than the packed one. */
import { unpackLegacyLz4 } from './lz4.ts';
import { buildFailed } from './run-program.ts';

/** Fields of the x86 Linux boot protocol header (Documentation/arch/x86/boot.rst), offsets in the file. */
const header = { setupSectors: 0x1f1, magic: 0x202, payloadOffset: 0x248, payloadLength: 0x24c };
const sectorBytes = 512;
/** No kernel comes near it; it bounds what a damaged size field can allocate. */
const vmlinuxBytesMax = 512 * 1024 * 1024;

/** The vmlinux inside `bzImage`. Throws IMAGE_BUILD_FAILED when it is no bzImage or not packed with legacy LZ4. */
export function extractVmlinux(bzImage: Buffer): Buffer {
  try {
    const payload = payloadOf(bzImage);
    const bytes = payload.readUInt32LE(payload.length - 4);
    if (bytes > vmlinuxBytesMax) throw new RangeError(`a kernel of ${bytes} bytes`);
    const vmlinux = unpackLegacyLz4(payload.subarray(0, -4), bytes);
    if (vmlinux.toString('latin1', 0, 4) !== '\x7fELF') throw new RangeError('the payload is no ELF file');
    return vmlinux;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw buildFailed(`the guest kernel cannot be unpacked: ${error.message}`, error);
  }
}

function payloadOf(bzImage: Buffer): Buffer {
  if (bzImage.toString('latin1', header.magic, header.magic + 4) !== 'HdrS') {
    throw new RangeError('it has no Linux boot header');
  }
  // The protocol says that 0 setup sectors mean 4.
  const setupSectors = bzImage.readUInt8(header.setupSectors) || 4;
  const start = (setupSectors + 1) * sectorBytes + bzImage.readUInt32LE(header.payloadOffset);
  const end = start + bzImage.readUInt32LE(header.payloadLength);
  if (end > bzImage.length || end - start < 8) throw new RangeError('its payload ends behind the file');
  return bzImage.subarray(start, end);
}
