import { describe, expect, it } from 'vitest';
import { packLegacyLz4 } from './lz4.suite.ts';
import { extractVmlinux } from './vmlinux.ts';

const vmlinux = Buffer.concat([Buffer.from('\x7fELF', 'latin1'), Buffer.alloc(20_000, 'kernel code ')]);

/** A bzImage as the boot protocol describes it: boot sector, setup sectors, unpacker, payload. */
function makeBzImage(
  contents = vmlinux,
  options: { setupSectors?: number; claimedBytes?: number } = {},
): Buffer {
  const { setupSectors = 3, claimedBytes = contents.length } = options;
  const size = Buffer.alloc(4);
  size.writeUInt32LE(claimedBytes);
  const payload = Buffer.concat([packLegacyLz4(contents, 8_000), size]);
  const unpackerBytes = 100;
  const head = Buffer.alloc(((setupSectors || 4) + 1) * 512 + unpackerBytes);
  head.writeUInt8(setupSectors, 0x1f1);
  head.write('HdrS', 0x202, 'latin1');
  head.writeUInt32LE(unpackerBytes, 0x248);
  head.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([head, payload, Buffer.alloc(64)]);
}

describe('a bzImage', () => {
  it('gives the kernel inside it', () => {
    expect(extractVmlinux(makeBzImage())).toEqual(vmlinux);
    expect(extractVmlinux(makeBzImage(vmlinux, { setupSectors: 0 }))).toEqual(vmlinux);
  });

  it.each([
    ['is none', Buffer.alloc(5_000), 'no Linux boot header'],
    ['is empty', Buffer.alloc(0), 'no Linux boot header'],
    ['is cut off', makeBzImage().subarray(0, 2_160), 'behind the file'],
    ['holds something else', makeBzImage(Buffer.alloc(5_000, 'x')), 'no ELF file'],
    ['claims to be huge', makeBzImage(vmlinux, { claimedBytes: 0xffff_ffff }), '4294967295 bytes'],
  ])('is refused when it %s', (_, bzImage, problem) => {
    expect(() => extractVmlinux(bzImage)).toThrow(
      expect.objectContaining({ code: 'IMAGE_BUILD_FAILED', message: expect.stringContaining(problem) }),
    );
  });
});
