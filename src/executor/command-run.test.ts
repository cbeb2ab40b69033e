import { describe, expect, it } from 'vitest';
import type { ExitReply } from '../contract/guest.ts';
import { defaults } from '../domain/defaults.ts';
import { FakeClock } from '../platform/clock.ts';
import { CommandRun } from './command-run.ts';

const reply: ExitReply = { code: 0, signal: 0, wallMs: 1, cpuMs: 1, maxRssKiB: 1, oom: false };
const timeoutMs = 1_000;
const graceMs = 100;

/** A command whose output nobody takes, so that it is never `exited`; the test says when the guest tells its end. */
function watched() {
  const clock = new FakeClock();
  const stopper = new AbortController();
  const killer = new AbortController();
  const signals: number[] = [];
  let vmKills = 0;
  let tell: (told: ExitReply) => void = () => undefined;
  const told = new Promise<ExitReply>((resolve) => {
    tell = resolve;
  });
  const run = new CommandRun({
    exec: {
      told,
      exited: new Promise(() => undefined),
      signal: (number) => void signals.push(number),
    },
    clock,
    timeoutMs,
    graceMs,
    stop: stopper.signal,
    kill: killer.signal,
    killVm: () => {
      vmKills++;
    },
  });
  const ended = run.ended();
  const tellEnd = async (): Promise<void> => {
    tell(reply);
    await told;
  };
  return { clock, stopper, killer, signals, ended, tellEnd, vmKills: () => vmKills };
}

describe('a command that has ended while its output is not taken', () => {
  it('is neither signalled nor killed at its timeout', async () => {
    const { clock, signals, tellEnd, vmKills } = watched();
    await tellEnd();
    clock.advance(10 * timeoutMs);
    expect([signals, vmKills(), clock.waiting]).toEqual([[], 0, 0]);
  });

  it('is told as it ended when it is cancelled then, and not waited for without end', async () => {
    const { clock, stopper, signals, ended, tellEnd, vmKills } = watched();
    await tellEnd();
    stopper.abort('cancelled');
    clock.advance(defaults.outputDrainMs);
    expect(await ended).toEqual({ told: reply, cut: undefined, vmKilled: false });
    expect([signals, vmKills(), clock.waiting]).toEqual([[], 0, 0]);
  });

  it('after its timeout is not said to have needed a kill, and not waited for without end', async () => {
    const { clock, signals, ended, tellEnd, vmKills } = watched();
    clock.advance(timeoutMs);
    expect(signals).toEqual([15]);
    await tellEnd();
    clock.advance(defaults.outputDrainMs);
    expect(await ended).toEqual({ told: reply, cut: 'timeout', vmKilled: false });
    expect([vmKills(), clock.waiting]).toEqual([0, 0]);
  });

  it('is not waited for without end when its VM was killed as it ended', async () => {
    const { clock, killer, ended, tellEnd, vmKills } = watched();
    killer.abort();
    await tellEnd();
    clock.advance(defaults.outputDrainMs);
    expect(await ended).toEqual({ told: reply, cut: undefined, vmKilled: true });
    expect([vmKills(), clock.waiting]).toEqual([1, 0]);
  });
});
