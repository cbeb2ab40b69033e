/** Reads what the host sends the way the guest agent does. */
import { type ExecSpec, type GuestIdentity, guestEntropyBytes } from '../../contract/guest.ts';

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

/** The reverse of `encodeIdentity`. Throws RangeError when it is cut off. */
export function decodeIdentity(bytes: Buffer): GuestIdentity {
  const namesAt = 8 + guestEntropyBytes;
  const [hostName, machineId, bootId] = bytes.toString('utf8', namesAt).split('\0');
  if (hostName === undefined || machineId === undefined || bootId === undefined) {
    throw new RangeError('malformed identity');
  }
  const nowMs = Number(bytes.readBigUInt64LE(0) / 1_000n) / 1_000;
  return { nowMs, entropy: bytes.subarray(8, namesAt), hostName, machineId, bootId };
}
