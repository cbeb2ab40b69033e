import { closeSync, openSync } from 'node:fs';
import { PassThrough, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { processTerminal } from './terminal.ts';

/** A stream that answers like the one of a process. */
const stream = (isTTY: boolean) => Object.assign(new PassThrough(), { isTTY, columns: 100 });

describe('the terminal of a process', () => {
  it('writes bytes as they are', async () => {
    const stdout = stream(false);
    const bytes = Buffer.from([0, 255, 10, 128]);
    await processTerminal({ stdout, stderr: stream(false) }, {}).write('stdout', bytes);
    expect(stdout.read()).toEqual(bytes);
  });

  it('tells that the reader has gone', async () => {
    const stdout = stream(false);
    const terminal = processTerminal({ stdout, stderr: stream(false) }, {});
    stdout.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    await expect(terminal.write('stdout', 'x')).rejects.toMatchObject({
      name: 'OutputClosed',
      stream: 'stdout',
    });
  });

  it('tells what cannot be written as a fault of where it goes, not of Blixard', async () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    const stdout = new Writable({ write: (_chunk, _encoding, done) => done(full) });
    const terminal = processTerminal({ stdout, stderr: stream(false) }, {});
    await expect(terminal.write('stdout', 'x')).rejects.toMatchObject({
      code: 'OUTPUT_FAILED',
      message: 'Standard output cannot be written: ENOSPC: no space left on device',
    });
  });

  it('tells which reader has gone: of a pipe that both streams go to, that of both', async () => {
    const gone = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
    const lost = async (stdoutFd: number, stderrFd: number): Promise<unknown> => {
      const stdout = Object.assign(stream(false), { fd: stdoutFd });
      const stderr = Object.assign(stream(false), { fd: stderrFd });
      const terminal = processTerminal({ stdout, stderr }, {});
      stderr.destroy(gone);
      return await terminal.write('stderr', 'x').catch((error: unknown) => error);
    };
    const [one, other] = [openSync('/dev/null', 'w'), openSync('/dev/full', 'w')];
    const again = openSync('/dev/null', 'w');
    expect(await lost(one, other)).toMatchObject({ stream: 'stderr' });
    expect(await lost(one, again)).toMatchObject({ stream: 'stdout' });
    for (const fd of [one, other, again]) closeSync(fd);
  });

  it.each([
    [true, {}, true],
    [true, { NO_COLOR: '1' }, false],
    [true, { TERM: 'dumb' }, false],
    [false, {}, false],
  ])('on a terminal: %s, in %j, colours are %s', (isTTY, env, colour) => {
    const terminal = processTerminal({ stdout: stream(isTTY), stderr: stream(false) }, env);
    expect(terminal.hasColour('stdout')).toBe(colour);
    expect(terminal.hasColour('stderr')).toBe(false);
    expect(terminal.columns).toBe(isTTY ? 100 : undefined);
  });
});
