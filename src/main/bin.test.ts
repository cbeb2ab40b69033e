import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const bin = fileURLToPath(new URL('./bin.ts', import.meta.url));

describe('the first line of the program', () => {
  /** As the kernel does it: the interpreter, all the rest as one argument, the script, its arguments. */
  it('keeps Node.js from taking --env-file for its own', () => {
    const [line = ''] = readFileSync(bin, 'utf8').split('\n');
    const [, interpreter = '', rest = ''] = /^#!(\S+) (.*)$/.exec(line) ?? [];
    const script = fileURLToPath(new URL('../../package.json', import.meta.url));
    const said = spawnSync(interpreter, [rest, script, '--env-file', '/absent'], { encoding: 'utf8' });
    expect(said.stderr).not.toContain('/absent: not found');
    const bare = spawnSync(process.execPath, ['--env-file', '/absent', script], { encoding: 'utf8' });
    expect(bare.stderr).toContain('/absent: not found');
  });
});
