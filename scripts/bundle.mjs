/**
 * Makes one file each of the libraries that every start of the program loads: hundreds of small modules cost more than
 * what they do. The compiler has written these modules as they stand in src; their types stay as they are.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const modules = ['contract/typebox', 'contract/typebox-check', 'client/undici', 'client/ws'];
const libraries = ['typebox', 'undici', 'ws'];
const shared = 'dist/libraries';

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: modules.map((name) => `src/${name}.ts`),
  outdir: 'dist',
  outbase: 'src',
  // What two of them share.
  chunkNames: 'libraries/[hash]',
  splitting: true,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  // undici and ws, which are CommonJS, ask for modules of Node.js so.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
  },
  logLevel: 'warning',
  metafile: true,
});
// What an earlier build shared; afterwards, since a program may run.
for (const name of readdirSync(join(root, shared))) {
  if (metafile.outputs[`${shared}/${name}`] === undefined) rmSync(join(root, shared, name));
}
const licences = libraries.map((name) => {
  const folder = join(root, 'node_modules', name);
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = name === 'typebox' ? 'license' : 'LICENSE';
  return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
});
writeFileSync(join(root, shared, 'LICENSES'), licences.join('\n'));
