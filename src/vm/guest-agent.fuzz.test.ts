/** Broken and hostile frames thrown at the real agent, compiled so that a memory fault ends it with a report. */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  encodeExecSpec,
  encodeFrame,
  type Frame,
  FrameDecoder,
  guestFrames,
  guestTasks,
  hostFrames,
} from '../contract/guest.ts';
import { limits } from '../domain/limits.ts';
import { realClock, sleep } from '../platform/clock.ts';
import {
  type BuiltAgent,
  buildTestAgent,
  command,
  openSession,
  type RunningAgent,
  run,
  startAgent,
} from './guest-agent.suite.ts';

/** Of an agent that was told to end or lost its host, and of one that could not cut what it got into frames. */
const exitCodes = { over: 0, broken: 65 };

let built: BuiltAgent;
/** Tasks write in here and nowhere else. */
const scratch = mkdtempSync(join(tmpdir(), 'blixard-fuzz-'));
beforeAll(async () => {
  built = await buildTestAgent('checked');
}, 120_000);
afterAll(async () => {
  await built.remove();
  await rm(scratch, { recursive: true });
});

// Only these may run, whatever is done to their specs: the bytes of the strings are never changed.
const harmless = fc.constantFrom(
  encodeExecSpec(command(['/bin/true'])),
  encodeExecSpec(command(['/bin/cat'])),
  encodeExecSpec(command(['/usr/bin/yes'])),
  encodeExecSpec(command(['/bin/sleep', '0.01'])),
  encodeExecSpec(command(['/no/such/program'], { cwd: '/nowhere', env: [] })),
);
const damaged = fc.tuple(harmless, fc.nat(11), fc.nat(255), fc.nat(60)).map(([spec, at, byte, cut]) => {
  const head = Buffer.from(spec.subarray(0, Math.max(12, spec.length - cut)));
  head[at] = byte;
  return head;
});
const taskSpec = (argv: readonly string[], cwd = scratch) => encodeExecSpec(command(argv, { cwd }));
/** Heads of their specs may be damaged, never the strings. */
const tasks = fc.constantFrom(
  taskSpec(guestTasks.watch(), join(scratch, 'run')),
  taskSpec(guestTasks.watch(), ''),
  taskSpec(guestTasks.put(0, 'a/b')),
  taskSpec(guestTasks.put(2 ** 40, 'sparse')),
  taskSpec(guestTasks.put(0, '')),
  taskSpec(['put']),
  taskSpec(guestTasks.collect([])),
  taskSpec(guestTasks.collect(['/etc/hostname', '/', 'a', '/no/such', '////', '']), join(scratch, 'run')),
  taskSpec(['collect', 'x', '-1', '99999999999999999999']),
  taskSpec(['collect']),
  taskSpec(['watch', 'more', 'words'], '/proc/no'),
  taskSpec(['no-task']),
  taskSpec(['']),
);
const task = fc
  .tuple(fc.integer({ min: 1, max: 5 }), tasks)
  .map(([id, spec]) =>
    Buffer.concat([encodeFrame(hostFrames.execPart, id, spec), encodeFrame(hostFrames.task, id)]),
  );
/** A command that does nothing, on stream 7. */
const idle = Buffer.concat([
  encodeFrame(hostFrames.execPart, 7, encodeExecSpec(command(['/bin/sleep', '60']))),
  encodeFrame(hostFrames.exec, 7),
]);
const fullStdin = encodeFrame(hostFrames.stdin, 7, Buffer.alloc(limits.frameBytes, 'x'));
const streamId = fc.oneof(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const uint32 = fc.oneof(fc.nat(40), fc.nat(), fc.constant(2 ** 32 - 1)).map((value) => {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
});

/** A command, started as it should be or almost. */
const exec = fc
  .tuple(streamId, fc.oneof(harmless, harmless, damaged), fc.nat(80))
  .map(([id, spec, cut]) =>
    Buffer.concat([
      encodeFrame(hostFrames.execPart, id, spec.subarray(0, cut)),
      encodeFrame(hostFrames.execPart, id, spec.subarray(cut)),
      encodeFrame(hostFrames.exec, id),
    ]),
  );
const verb = fc
  .tuple(
    fc.constantFrom(...Object.values(hostFrames).filter((type) => type !== hostFrames.powerOff)),
    streamId,
    fc.oneof(bytes(80), uint32, fc.constant(Buffer.from('{"version":2,"token":"t"}'))),
  )
  .map(([type, id, payload]) => encodeFrame(type, id, payload));
const unknown = fc
  .tuple(fc.integer({ min: 0, max: 255 }), streamId, bytes(20))
  .map(([type, id, payload]) => encodeFrame(type, id, payload));
const large = fc
  .tuple(
    fc.constantFrom(hostFrames.stdin, hostFrames.execPart, hostFrames.ping),
    fc.integer({ min: 1, max: 5 }),
  )
  .map(([type, id]) => encodeFrame(type, id, Buffer.alloc(limits.frameBytes, 'x')));
/** Stdin for a command that does not read it, within its credit of four such frames or beyond. */
const burst = fc
  .integer({ min: 1, max: 8 })
  .map((count) => Buffer.concat([idle, ...Array(count).fill(fullStdin)]));
const frames = fc.array(fc.oneof(exec, exec, task, task, verb, verb, unknown, large, burst), {
  maxLength: 40,
});

/** What it is, the frames, and the words of the answer. */
const refusals: [string, Buffer[], string][] = [
  ['stdin of no stream', [encodeFrame(hostFrames.stdin, 7)], 'there is no stream 7'],
  ['a signal to no stream', [encodeFrame(hostFrames.signal, 7, Buffer.alloc(4))], 'there is no stream 7'],
  ['an unknown verb', [encodeFrame(0x77, 7)], 'there is no verb 119'],
  ['an unknown verb about a command', [idle, encodeFrame(0x77, 7)], 'there is no verb 119'],
  ['an empty spec', [encodeFrame(hostFrames.exec, 7)], 'the exec spec is cut off'],
  ['a second start', [idle, encodeFrame(hostFrames.exec, 7)], 'an exec of a command that runs already'],
  ['signal 0', [idle, encodeFrame(hostFrames.signal, 7, Buffer.alloc(4))], 'there is no such signal'],
  ['a short credit', [idle, encodeFrame(hostFrames.credit, 7)], 'a credit must have 4 bytes'],
  ['too much stdin', [idle, ...Array(5).fill(fullStdin)], 'stdin beyond its credit or its end'],
  [
    'too long a spec',
    Array(9).fill(encodeFrame(hostFrames.execPart, 7, Buffer.alloc(limits.frameBytes))),
    'the exec spec is too long',
  ],
  ['a ping of 65 bytes', [encodeFrame(hostFrames.ping, 7, Buffer.alloc(65))], 'a ping of more than 64 bytes'],
  [
    'a hello of other words',
    [encodeFrame(hostFrames.hello, 7, Buffer.from('{"version":2,"token":"\\""}'))],
    'a hello must be {"version":N,"token":"..."}',
  ],
];

/** Sends all of it, waits a little, hangs up; resolves with the agent's exit code. */
async function throwAt(agent: RunningAgent, chunks: readonly Buffer[]): Promise<number | string | null> {
  agent.channel.on('error', (error: NodeJS.ErrnoException) => expect(error.code).toMatch(/EPIPE|ECONNRESET/));
  agent.channel.resume();
  for (const chunk of chunks) agent.channel.write(chunk);
  await sleep(realClock, chunks.length);
  agent.channel.end();
  return await agent.ended;
}

describe('the agent, checked for memory faults and undefined behaviour', () => {
  it('takes any frames in any order', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(frames, async (chunks) => {
        const agent = startAgent(built.file);
        expect(Object.values(exitCodes)).toContain(await throwAt(agent, chunks));
        expect(agent.complaints()).toMatch(/^(blixard agent: the host sent a frame of \d+ bytes\n)?$/);
      }),
      { numRuns: 150 },
    );
  });

  it('stops at bytes that are no frames', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(bytes(200), async (garbage) => {
        const agent = startAgent(built.file);
        const tooLong = Buffer.concat([Buffer.from([1, 0, 1, 0]), Buffer.alloc(9)]);
        expect(await throwAt(agent, [encodeFrame(hostFrames.ping, 0), tooLong, garbage])).toBe(
          exitCodes.broken,
        );
        expect(agent.complaints()).toBe('blixard agent: the host sent a frame of 65537 bytes\n');
      }),
      { numRuns: 20 },
    );
  });

  it.each(refusals)('refuses %s, on its own stream, and goes on', async (_name, chunks, words) => {
    const agent = startAgent(built.file);
    const heard: Frame[] = [];
    const decoder = new FrameDecoder();
    agent.channel.on('data', (chunk: Buffer) => heard.push(...decoder.push(chunk)));
    for (const chunk of [...chunks, encodeFrame(hostFrames.ping, 0)]) agent.channel.write(chunk);
    await expect.poll(() => heard.map((frame) => frame.type)).toEqual([guestFrames.failed, guestFrames.pong]);
    expect(heard[0]?.streamId).toBe(7);
    expect(heard[0]?.payload.toString()).toBe(words);
    agent.channel.destroy();
    expect(await agent.ended).toBe(exitCodes.over);
    expect(agent.complaints()).toBe('');
  });

  it('does its work without a complaint', { timeout: 60_000 }, async () => {
    const agent = startAgent(built.file);
    const session = openSession(agent);
    await session.hello(5_000);
    const input = Buffer.alloc(limits.stdinBytes, 'blixard ');
    const runs = Array.from({ length: 20 }, () => run(session, command(['cat']), input));
    for (const ran of await Promise.all(runs)) expect(ran.stdout.equals(input)).toBe(true);
    expect((await run(session, command(['no-such-program']))).exit.code).toBe(127);
    const flood = session.exec(command(['yes']), {
      stdin: new Uint8Array(),
      output: async () => flood.signal(constants.signals.SIGINT),
    });
    expect((await flood.exited).signal).toBe(constants.signals.SIGINT);
    session.powerOff();
    expect(await agent.ended).toBe(exitCodes.over);
    expect(agent.complaints()).toBe('');
  });
});
