import { describe, expect, it } from 'vitest';
import type { ExecSpec } from '../contract/guest.ts';
import { zygotesLabel } from '../image/manifest.ts';
import type { GuestExec } from './guest-session.ts';
import { type RehearsalGuest, rehearse } from './rehearsal.ts';
import { zygotesOf } from './zygotes.ts';

/** Notes what is asked of it; each command ends with 0, but for those of `codes`, one after the other. */
function guest(codes: Readonly<Record<string, number[]>> = {}) {
  const asked: string[] = [];
  const run =
    (verb: string) =>
    (spec: ExecSpec): GuestExec => {
      const [program = ''] = spec.argv;
      asked.push(`${verb} ${spec.argv.slice(0, 3).join(' ')}`);
      const reply = {
        code: codes[program]?.shift() ?? 0,
        signal: 0,
        wallMs: 0,
        cpuMs: 0,
        maxRssKiB: 0,
        oom: false,
      };
      const exited = Promise.resolve(reply);
      return { exited, told: exited, signal: (number) => asked.push(`signal ${program} ${number}`) };
    };
  const it: RehearsalGuest = { exec: run('exec'), task: run('task') };
  return { it, asked };
}

describe('a rehearsal', () => {
  it('goes the way of a job, after the interpreters named, and takes away what it made', async () => {
    const { it: one, asked } = guest();
    await rehearse(one, zygotesOf({ [zygotesLabel]: 'python3' }));
    expect(asked.map((line) => line.replace(/ \d+.*$/, ''))).toEqual([
      'exec sh -c env true',
      'task rehearsal python3 -m',
      'exec python3 -c print(1)',
      'exec rm -rf /run/blixard',
      'task watch',
      'exec true',
      'signal watch',
      'task collect',
      'exec rm -rf /run/blixard',
    ]);
  });

  it('makes nothing in a guest where it could not take it away', async () => {
    const { it: one, asked } = guest({ rm: [127] });
    await rehearse(one, []);
    expect(asked).toEqual(['exec sh -c env true', 'exec rm -rf /run/blixard']);
  });

  it('fails where something of it is left', async () => {
    const { it: one } = guest({ rm: [0, 1] });
    await expect(rehearse(one, [])).rejects.toMatchObject({ code: 'VM_CRASHED' });
  });
});
