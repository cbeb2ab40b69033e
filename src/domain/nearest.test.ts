import { describe, expect, it } from 'vitest';
import { nearest } from './nearest.ts';

describe('nearest', () => {
  it.each([
    ['prot', ['port', 'host'], 'port'],
    ['data_dir', ['data-dir', 'images-dir'], 'data-dir'],
    ['qeues', ['qemu', 'queues'], 'queues'],
    ['Port', ['port', 'host'], 'port'],
    ['xyz', ['port', 'host'], undefined],
    ['port', [], undefined],
  ])('%s among %j is %s', (word, candidates, meant) => {
    expect(nearest(word, candidates)).toBe(meant);
  });
});
