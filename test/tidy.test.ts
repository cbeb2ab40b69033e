import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root });
const files = [...new Set(String(listed).split('\n'))].filter(
  (file) => file !== '' && existsSync(join(root, file)),
);
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');
const linesOf = (file: string): string[] => textOf(file).replace(/\n$/, '').split('\n');

const code = files.filter((file) => /\.(ts|tsx|mjs|c|h)$/.test(file));
const source = code.filter((file) => /^(src|web)\//.test(file) && !/\.(test|suite)\.tsx?$/.test(file));
const prose = files.filter(
  (file) => /\.(md|ts|tsx|mjs|json|sql|c|h|yml|sh)$/.test(file) && !file.endsWith('package-lock.json'),
);

/** Which layers each layer may import, as its tsconfig.json references say. */
function arrows(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const file of files.filter((name) => /^src\/[^/]+\/tsconfig\.json$/.test(name))) {
    const layer = file.split('/')[1] ?? '';
    const { references } = JSON.parse(textOf(file)) as { references: { path: string }[] };
    found.set(layer, new Set([layer, ...references.map((reference) => reference.path.replace('../', ''))]));
  }
  return found;
}

/** Top-level C functions: from a line that opens one to the line `}`. */
function longFunctionsInC(file: string): string[] {
  const long: string[] = [];
  let start = 0;
  linesOf(file).forEach((line, index) => {
    if (/^[a-z].*\)\s*\{$/.test(line)) start = index;
    if (line === '}' && index - start + 1 > 60)
      long.push(`${file}:${start + 1} is ${index - start + 1} lines`);
  });
  return long;
}

const order = [
  'domain',
  'contract',
  'platform',
  'client',
  'store',
  'hypervisor',
  'image',
  'vm',
  'executor',
  'worker',
  'control',
  'cli',
  'main',
];

describe('the tree is tidy', () => {
  it('every code file has at most 300 lines, of at most 120 characters', () => {
    const long = code.flatMap((file) => {
      const lines = linesOf(file);
      const wide = lines.findIndex((line) => line.length > 120);
      return [
        ...(lines.length > 300 ? [`${file} has ${lines.length} lines`] : []),
        ...(wide >= 0 ? [`${file}:${wide + 1} has ${lines[wide]?.length} characters`] : []),
      ];
    });
    expect(long).toEqual([]);
  });

  it('no C function has more than 60 lines (biome holds the same for TypeScript)', () => {
    expect(code.filter((file) => file.endsWith('.c')).flatMap(longFunctionsInC)).toEqual([]);
  });

  it('layers import only downwards, and only what their project references name', () => {
    const allowed = arrows();
    expect([...allowed.keys()].sort()).toEqual([...order].sort());
    const wrong = [...allowed].flatMap(([layer, others]) =>
      [...others]
        .filter((other) => order.indexOf(other) > order.indexOf(layer))
        .map((other) => `${layer} -> ${other}`),
    );
    for (const file of source.filter((name) => name.startsWith('src/'))) {
      const layer = file.split('/')[1] ?? '';
      for (const [, target] of textOf(file).matchAll(/from '(\.[^']+)'|import\('(\.[^']+)'\)/g)) {
        if (target === undefined) continue;
        const other = relative('src', join(dirname(file), target)).split('/')[0] ?? '';
        if (other !== '..' && !allowed.get(layer)?.has(other)) wrong.push(`${file} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('libraries of many modules are taken from where the build makes them one', () => {
    const one = new Set(['contract/typebox', 'contract/typebox-check', 'client/undici', 'client/ws']);
    const layers = ['contract', 'client', 'vm', 'image', 'worker', 'cli'];
    const found = source.filter((file) => {
      const [, name = '', layer = ''] = /^src\/(([^/]+)\/.*)\.ts$/.exec(file) ?? [];
      return !one.has(name) && layers.includes(layer) && /from '(typebox|undici|ws)[/']/.test(textOf(file));
    });
    expect(found).toEqual([]);
  });

  it('every source file opens by saying what it is for', () => {
    const silent = source.filter((file) => !/^(#!.*\n)?(\/\*\*|\/\/)/.test(textOf(file)));
    expect(silent).toEqual([]);
  });

  it('no mark of unfinished work, no focused test, no swallowed error, no type switched off', () => {
    const marks: [RegExp, (file: string) => boolean][] = [
      [/\b(TODO|FIXME|XXX|HACK)\b/, () => true],
      [/\b(it|test|describe)\.(only|todo)\b/, () => true],
      [
        /catch *(\([^)]*\))? *\{ *\}|\.catch\(\(\) *=> *(\{ *\}|undefined|null)\)/,
        (file) => file.startsWith('src/'),
      ],
      [/\bas any\b|: any\b|@ts-ignore|@ts-expect-error|as unknown as/, (file) => source.includes(file)],
    ];
    const found = code
      .filter((file) => file !== 'test/tidy.test.ts')
      .flatMap((file) =>
        linesOf(file).flatMap((line, index) =>
          marks.some(([mark, applies]) => applies(file) && mark.test(line))
            ? [`${file}:${index + 1} ${line.trim()}`]
            : [],
        ),
      );
    expect(found).toEqual([]);
  });

  it('names no path of a developer’s machine and no package registry', () => {
    const mark =
      /\/home\/(?!user\b)\w+\/|\/Users\/\w+|registry\.npmjs|deb\.debian\.org|\bclaude\b|\bchatgpt\b/i;
    const found = prose.filter((file) => file !== 'test/tidy.test.ts' && mark.test(textOf(file)));
    expect(found).toEqual([]);
  });

  it('no lock file names a download address', () => {
    for (const file of files.filter((name) => name.endsWith('package-lock.json'))) {
      const { packages } = JSON.parse(textOf(file)) as { packages: Record<string, { resolved?: string }> };
      expect(Object.values(packages).filter((entry) => entry.resolved !== undefined)).toEqual([]);
    }
  });
});
