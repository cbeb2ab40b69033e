import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { armFailpoint, failpoint, failpoints } from './failpoint.ts';

const file = new URL('failpoint.ts', import.meta.url).href;
/** Passes one point three times and tells each time that it lived on. */
const program = `
  import { armFailpoint, failpoint } from '${file}';
  armFailpoint(process.env.BLIXARD_FAILPOINT);
  for (const n of [1, 2, 3]) { failpoint('vm-recorded'); console.log(n); }
`;

async function passThrice(armedWith: string): Promise<{ signal: string | null; lived: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    env: { ...process.env, BLIXARD_FAILPOINT: armedWith },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let lived = '';
  child.stdout.on('data', (data: Buffer) => {
    lived += data;
  });
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { signal, lived };
}

describe('a failpoint', () => {
  afterEach(() => armFailpoint(undefined));

  it('has no effect unless it is armed', async () => {
    expect(await passThrice('')).toEqual({ signal: null, lived: '1\n2\n3\n' });
    expect(await passThrice('vm-spawned:kill')).toEqual({ signal: null, lived: '1\n2\n3\n' });
    for (const name of Object.keys(failpoints)) expect(() => failpoint(name as 'vm-recorded')).not.toThrow();
  });

  it('kills the process at once, the time it was armed for', async () => {
    expect(await passThrice('vm-recorded:kill')).toEqual({ signal: 'SIGKILL', lived: '' });
    expect(await passThrice('vm-recorded:kill:3')).toEqual({ signal: 'SIGKILL', lived: '1\n2\n' });
  });

  it.each([
    'vm-recorded',
    'vm-recorded:burn',
    'vm-recorde:kill',
    'vm-recorded:kill:0',
    'toString:kill',
    ':kill',
  ])('refuses %s and names what there is', (text) => {
    expect(() => armFailpoint(text)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        details: expect.objectContaining({ value: text, problem: expect.stringContaining('vm-recorded') }),
      }),
    );
  });
});
