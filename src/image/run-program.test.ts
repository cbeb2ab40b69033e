import { describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { runProgram } from './run-program.ts';

describe('a program of an image build', () => {
  it('gives its output, and gets its input', async () => {
    expect(await runProgram({ program: 'sort', args: ['-r'], stdin: 'a\nb\n' })).toBe('b\na\n');
    expect(await runProgram({ program: 'pwd', args: [], cwd: '/usr' })).toBe('/usr\n');
  });

  it('tells why it failed in its own words, the last of them', async () => {
    const script = 'yes noise | head -5000 >&2; echo "E: no such package" >&2; exit 100';
    await expect(runProgram({ program: 'sh', args: ['-c', script] })).rejects.toMatchObject({
      code: 'IMAGE_BUILD_FAILED',
      message: expect.stringMatching(/sh ended with 100: (.|\n)*E: no such package$/),
    });
  });

  it('tells that it is not there', async () => {
    await expect(runProgram({ program: 'no-such-program', args: [] })).rejects.toMatchObject({
      code: 'IMAGE_BUILD_FAILED',
      message: expect.stringMatching(/no-such-program ended with 127: .*No such file/),
    });
  });

  it('is told of with its own status when it does not read its input', async () => {
    const call = { program: 'sh', args: ['-c', 'exec <&-; sleep 0.1; exit 9'], stdin: 'x'.repeat(1_000_000) };
    await expect(runProgram(call)).rejects.toThrow(/sh ended with 9 and did not read its input/);
  });

  it('is ended when it writes without end', async () => {
    await expect(runProgram({ program: 'yes', args: [] })).rejects.toMatchObject({
      code: 'IMAGE_BUILD_FAILED',
    });
    expect((await runProgram({ program: 'head', args: ['-c', '1000000', '/dev/zero'] })).length).toBe(
      1_000_000,
    );
    expect(limits.buildOutputBytes).toBeGreaterThan(1_000_000);
  });
});
