import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it, onTestFinished } from 'vitest';
import { realClock } from '../../platform/clock.ts';
import { identify, isRunning } from '../process-table.ts';
import { script } from './scripts.suite.ts';
import { endLeftVmms } from './sweep.ts';

/** A process with the command line of a VMM: `program -name blixard-ID …`. */
async function standIn(argv0: string, ...args: string[]) {
  const child = spawn('bash', ['-c', 'read _', ...args], { argv0, stdio: ['pipe', 'ignore', 'inherit'] });
  await once(child, 'spawn');
  onTestFinished(() => void child.kill('SIGKILL'));
  const identity = identify(child.pid ?? 0);
  if (identity === undefined) throw new Error('the stand-in did not start');
  return { identity, exited: once(child, 'exit') };
}

const program = 'qemu-stand-in';
const sweep = (...vmIds: string[]) => endLeftVmms({ vmIds, program, clock: realClock });

describe('the sweep', () => {
  it('ends the VMMs of the ids it is given, and tells their pids', async () => {
    const vmm = await standIn(program, '-name', 'blixard-one');
    expect(await sweep('zero', 'one')).toEqual([{ id: 'one', pid: vmm.identity.pid }]);
    expect(isRunning(vmm.identity)).toBe(false);
    expect(await vmm.exited).toEqual([null, 'SIGKILL']);
  });

  it('spares other VMs, other programs, and whoever only mentions an id', async () => {
    const spared = await Promise.all([
      standIn(program, '-name', 'blixard-two'),
      standIn(program, '-name', 'blixard-one-more'),
      standIn(program, '-append', 'blixard-one'),
      standIn('less', '-name', 'blixard-one'),
    ]);
    expect(await sweep('one')).toEqual([]);
    expect(spared.every(({ identity }) => isRunning(identity))).toBe(true);
  });

  it('ends what stands around a VMM, too, and tells of the VMM alone', async () => {
    const around = await standIn('bwrap', '--', 'setpriv', '--', program, '-name', 'blixard-one');
    const vmm = await standIn(program, '-name', 'blixard-one');
    expect(await sweep('one')).toEqual([{ id: 'one', pid: vmm.identity.pid }]);
    expect(isRunning(around.identity)).toBe(false);
  });

  it('finds a program that is named by its path', async () => {
    const path = await script('exec cat', program);
    const vmm = await standIn(path, '-name', 'blixard-one');
    expect(await sweep('one')).toEqual([{ id: 'one', pid: vmm.identity.pid }]);
  });
});
