import { type Duplex, duplexPair } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeFrame, FrameDecoder, guestFrames, hostFrames } from '../contract/guest.ts';
import { FakeClock } from '../platform/clock.ts';
import { type BuiltAgent, buildTestAgent, endWell, run, shell, startGreeted } from './guest-agent.suite.ts';
import { GuestSession } from './guest-session.ts';

/** A session whose guest answers each reset with these bytes. */
function open(answer: Buffer | undefined) {
  const clock = new FakeClock();
  const [channel, guest] = duplexPair();
  const session = new GuestSession({ channel, clock, token: 't' });
  const decoder = new FrameDecoder();
  guest.on('data', (chunk: Buffer) => {
    for (const { type } of decoder.push(chunk)) {
      if (type === hostFrames.reset && answer !== undefined) (guest as Duplex).write(answer);
    }
  });
  return { session, clock };
}

describe('a reset of a guest', () => {
  it('is done when the guest says so', async () => {
    await open(encodeFrame(guestFrames.done, 0)).session.reset(1_000);
  });

  it.each([
    [
      'is refused',
      encodeFrame(guestFrames.failed, 0, Buffer.from('a device was \u0007changed')),
      'VM_CRASHED',
    ],
    ['is answered with something else', encodeFrame(guestFrames.done, 0, Buffer.from('x')), 'GUEST_PROTOCOL'],
    ['is answered as a resume', encodeFrame(guestFrames.resumed, 0), 'GUEST_PROTOCOL'],
  ])('that %s is an error', async (_, answer, code) => {
    const { session } = open(answer);
    const failure = await session.reset(1_000).catch((error) => error);
    if (code === 'GUEST_PROTOCOL') expect((await session.closed)?.code).toBe(code);
    else expect(failure).toMatchObject({ code, message: expect.stringContaining('a device was  changed') });
  });

  it('that is not answered is an error, in time', async () => {
    const { session, clock } = open(undefined);
    const reset = session.reset(1_000);
    clock.advance(1_000);
    await expect(reset).rejects.toMatchObject({ code: 'VM_CRASHED', message: /within 1s/ });
  });

  it('that nobody asked for breaks the protocol', async () => {
    const [channel, guest] = duplexPair();
    const session = new GuestSession({ channel, clock: new FakeClock(), token: 't' });
    guest.write(encodeFrame(guestFrames.done, 0));
    expect((await session.closed)?.code).toBe('GUEST_PROTOCOL');
  });
});

describe('the agent as an ordinary process', () => {
  let built: BuiltAgent;
  beforeAll(async () => {
    built = await buildTestAgent('checked');
  }, 120_000);
  afterAll(() => built.remove());

  it('never kills and unmounts what is not its VM, and goes on', async () => {
    const greeted = await startGreeted(built.file);
    await expect(greeted.session.note(5_000)).rejects.toThrow('this is not a VM');
    await expect(greeted.session.reset(5_000)).rejects.toThrow('this is not a VM');
    expect((await run(greeted.session, shell('echo still here'))).stdout.toString()).toBe('still here\n');
    await endWell(greeted);
  });
});
