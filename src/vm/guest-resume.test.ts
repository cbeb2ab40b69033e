import { type Duplex, duplexPair } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeFrame, encodeIdentity, FrameDecoder, guestFrames, hostFrames } from '../contract/guest.ts';
import { FakeClock, realClock } from '../platform/clock.ts';
import { realRandom } from '../platform/random.ts';
import { type BuiltAgent, buildTestAgent, endWell, startGreeted } from './guest-agent.suite.ts';
import { GuestSession } from './guest-session.ts';
import { giveIdentity } from './identity.ts';

const identity = {
  nowMs: 1_700_000_000_123,
  entropy: new Uint8Array(64).fill(7),
  hostName: 'blixard-1',
  machineId: 'a'.repeat(32),
  bootId: '01890a5d-ac96-474b-8cce-b302099a8057',
};

/** A session whose guest answers each resume with what `answer` gives. */
function open(clock: FakeClock, answer: (nth: number) => Buffer | undefined) {
  const [channel, guest] = duplexPair();
  const session = new GuestSession({ channel, clock, token: 't' });
  const decoder = new FrameDecoder();
  const asked: Buffer[] = [];
  guest.on('data', (chunk: Buffer) => {
    for (const { type, payload } of decoder.push(chunk)) {
      if (type !== hostFrames.resume) continue;
      asked.push(Buffer.from(payload));
      const reply = answer(asked.length);
      if (reply !== undefined) (guest as Duplex).write(reply);
    }
  });
  return { session, asked };
}

const resumed = encodeFrame(guestFrames.resumed, 0);

describe('an identity for a guest', () => {
  it('is time, entropy and names, and nothing that a guest could not take', () => {
    const bytes = encodeIdentity(identity);
    expect(bytes.readBigUInt64LE(0)).toBe(1_700_000_000_123_000_000n);
    expect(bytes.toString('utf8', 72)).toBe(`blixard-1\0${identity.machineId}\0${identity.bootId}\0`);
    for (const wrong of [
      { hostName: 'a'.repeat(65) },
      { machineId: 'a' },
      { bootId: 'x\0y' },
      { entropy: new Uint8Array(63) },
    ]) {
      expect(() => encodeIdentity({ ...identity, ...wrong })).toThrow(/no guest can take/);
    }
  });

  it('is given again when the answer was so slow that the time is wrong by then', async () => {
    const clock = new FakeClock();
    const { session, asked } = open(clock, (nth) => {
      clock.advance(nth === 1 ? 200 : 1);
      return resumed;
    });
    await giveIdentity(session, '01890a5d-ac96-774b-bcce-b302099a8057', { clock, random: realRandom }, 1_000);
    expect(asked).toHaveLength(2);
    const times = asked.map((bytes) => Number(bytes.readBigUInt64LE(0) / 1_000_000n));
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBe(200);
    expect(asked[0]?.toString('utf8', 72)).toMatch(/^blixard-b302099a8057\0/);
  });

  it.each([
    [
      'is refused',
      encodeFrame(guestFrames.failed, 0, Buffer.from('no \u0007entropy')),
      'VM_BOOT_FAILED',
      'no  entropy',
    ],
    [
      'is answered with something else',
      encodeFrame(guestFrames.resumed, 0, Buffer.from('x')),
      'GUEST_PROTOCOL',
      '',
    ],
    ['is answered with another frame', encodeFrame(guestFrames.helloReply, 0), 'GUEST_PROTOCOL', ''],
  ])('that %s is an error', async (_, reply, code, problem) => {
    const clock = new FakeClock();
    const { session } = open(clock, () => reply);
    const failure = await session.resume(identity, 1_000).catch((error) => error);
    expect(failure.message).toContain(problem);
    if (code === 'GUEST_PROTOCOL') expect((await session.closed)?.code).toBe(code);
    else expect(failure.code).toBe(code);
  });

  it('that is not answered is an error, in time', async () => {
    const clock = new FakeClock();
    const { session } = open(clock, () => undefined);
    const resume = session.resume(identity, 1_000);
    clock.advance(1_000);
    await expect(resume).rejects.toMatchObject({ code: 'VM_BOOT_FAILED', message: /within 1s/ });
  });
});

describe('the agent as an ordinary process', () => {
  let built: BuiltAgent;
  beforeAll(async () => {
    built = await buildTestAgent('checked');
  }, 120_000);
  afterAll(() => built.remove());

  it('never touches the clock and the names of the host it runs on', async () => {
    const greeted = await startGreeted(built.file);
    const before = realClock.nowMs();
    await expect(greeted.session.resume(identity, 5_000)).rejects.toThrow('this is not a VM');
    expect(realClock.nowMs()).toBeGreaterThanOrEqual(before);
    await endWell(greeted);
  });
});
