import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from './config.ts';
import { requireDataDir } from './data-dir.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'blixard-data-dir-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

describe('the data directory', () => {
  it('is made with all above it', async () => {
    await requireDataDir(await loadConfig({ flags: { 'data-dir': 'a/b' }, env: {}, cwd }));
    expect(statSync(join(cwd, 'a/b')).isDirectory()).toBe(true);
  });

  it('that cannot be used is told with who chose it', async () => {
    writeFileSync(join(cwd, 'file'), '');
    const loaded = await loadConfig({ flags: {}, env: { BLIXARD_DATA_DIR: 'file/x' }, cwd });
    await expect(requireDataDir(loaded)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      details: { key: 'data-dir', value: join(cwd, 'file/x'), source: 'BLIXARD_DATA_DIR' },
    });
  });
});
