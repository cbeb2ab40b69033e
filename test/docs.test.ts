import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { renderPages } from '../scripts/docs/pages.ts';
import { defaults } from '../src/domain/defaults.ts';
import { limits } from '../src/domain/limits.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const pages = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'docs/functions.md',
  'docs/images.md',
  'docs/isolation.md',
  'docs/queues.md',
  'docs/submit.md',
  'docs/together.md',
  'docs/webhooks.md',
  'docs/results.md',
  'docs/schedules.md',
];

describe('the documentation', () => {
  it.each(Object.entries(renderPages()))('docs/%s is as the code says (npm run docs)', (name, text) => {
    expect(read(join('docs', name))).toBe(text);
  });

  it.each(pages)('%s names only files that are there', (page) => {
    const links = [...read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)/g)].map(
      (match) => match[1] ?? '',
    );
    expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
  });

  it('has the defaults of a worker of functions as they are', () => {
    const page = read('docs/functions.md');
    expect(page).toContain(`| \`claimAheadMax\` | ${limits.claimAheadMax} |`);
    expect(page).toContain(`| \`server\` | \`http://127.0.0.1:${defaults.port}\` |`);
  });

  it.each(pages)('%s names only npm scripts that exist', (page) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...read(page).matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1] ?? '');
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });
});
