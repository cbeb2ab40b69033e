import { describe, expect, it } from 'vitest';
import { isArtifactName } from './artifact-name.ts';
import { limits } from './limits.ts';

describe('names of artifacts', () => {
  it.each([
    'a',
    'report.txt',
    'out/bin/app',
    '..a',
    'a..',
    '...',
    '.hidden',
    'mit Leerzeichen',
    '日本/語',
    'a\\b',
  ])('takes %j', (name) => expect(isArtifactName(name)).toBe(true));

  it.each([
    '',
    '/',
    '/etc/passwd',
    'a/',
    'a//b',
    '.',
    '..',
    '../a',
    'a/..',
    'a/../b',
    './a',
    'a/.',
    'a\0b',
    'a\nb',
    '\x7f',
    '\ud800',
  ])('refuses %j', (name) => expect(isArtifactName(name)).toBe(false));

  it('counts bytes, not characters', () => {
    expect(isArtifactName('x'.repeat(limits.artifactNameBytes))).toBe(true);
    expect(isArtifactName('x'.repeat(limits.artifactNameBytes + 1))).toBe(false);
    expect(isArtifactName('ü'.repeat(127))).toBe(true);
    expect(isArtifactName('ü'.repeat(128))).toBe(false);
  });
});
