/** Reads an exec spec the way the guest agent does. */
import type { ExecSpec } from '../../contract/guest.ts';

const headBytes = 12;

/** The reverse of `encodeExecSpec`. Throws RangeError when the counts and the strings do not agree. */
export function decodeExecSpec(bytes: Buffer): ExecSpec {
  const [uid, argc, envc] = [bytes.readUInt32LE(0), bytes.readUInt32LE(4), bytes.readUInt32LE(8)];
  const strings = bytes.toString('utf8', headBytes).split('\0');
  const [cwd, ...rest] = strings.slice(0, -1);
  if (cwd === undefined || argc === 0 || rest.length !== argc + envc || strings.at(-1) !== '') {
    throw new RangeError('malformed exec spec');
  }
  return { uid, cwd, argv: rest.slice(0, argc), env: rest.slice(argc) };
}
