/**
 * Makes one file each of the libraries that every start of the program loads: hundreds of small modules cost more than
 * what they do. The compiler has written these modules as they stand in src; their types stay as they are.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const modules = ['contract/typebox', 'contract/typebox-check', 'client/undici', 'client/ws'];
const libraries = ['typebox', 'undici', 'ws'];
/** What two of the modules share. */
const shared = join(root, 'dist/libraries');

const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: modules.map((name) => `src/${name}.ts`),
  outdir: 'dist',
  outbase: 'src',
  chunkNames: 'libraries/[hash]',
  splitting: true,
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // undici and ws, which are CommonJS, ask for modules of Node.js so.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
const wanted = new Map(outputFiles.map(({ path, contents }) => [path, Buffer.from(contents)]));
wanted.set(join(shared, 'LICENSES'), Buffer.from(licences()));
mkdirSync(shared, { recursive: true });
// A program may start meanwhile: what is asked for comes first, each file at once, and nothing that is as it should be.
const sharedFirst = [...wanted.keys()].sort((a, b) => Number(isShared(b)) - Number(isShared(a)));
for (const path of sharedFirst) replace(path, wanted.get(path));
for (const name of readdirSync(shared)) if (!wanted.has(join(shared, name))) rmSync(join(shared, name));

function isShared(path) {
  return path.startsWith(shared);
}

function replace(path, bytes) {
  if (readIfThere(path)?.equals(bytes)) return;
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, bytes);
  renameSync(draft, path);
}

function readIfThere(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function licences() {
  const texts = libraries.map((name) => {
    const folder = join(root, 'node_modules', name);
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  return texts.join('\n');
}
