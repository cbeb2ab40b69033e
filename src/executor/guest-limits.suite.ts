/** What limits of a job inside of its guest must do, whatever the guest is. */
import { expect, it } from 'vitest';
import { TestExecution } from './executor.suite.ts';
import type { Executor } from './executor.ts';

/** A test within a `describe`; `take` writes so many MiB, is so many processes at once, and fails when it cannot. */
export function guestLimitsSuite(
  take: (mib: number, processes: number) => string[],
  executor: () => Executor,
): void {
  it('bound what a command writes, told as disk_full, and how many processes it is', async () => {
    const run = async (mib: number, processes: number) => {
      const execution = new TestExecution({ command: take(mib, processes), diskMiB: 8, pids: 16 });
      const { reason, exitCode, message } = await executor().run(execution);
      return { reason, exitCode, message, stderr: execution.text('stderr') };
    };
    expect(await run(6, 8)).toMatchObject({ reason: 'exit', exitCode: 0, message: null });
    expect(await run(12, 8)).toMatchObject({
      reason: 'disk_full',
      exitCode: null,
      message: 'it ended with exit code 1, and the disk of the microVM was full',
      stderr: expect.stringContaining('No space left on device'),
    });
    const tooMany = await run(6, 32);
    expect(tooMany).toMatchObject({ reason: 'exit', stderr: expect.stringContaining('fork') });
    expect(tooMany.exitCode).not.toBe(0);
  });
}
