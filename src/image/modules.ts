/** Kernel modules: which files, and in which order, so that each comes after those it needs. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { buildFailed } from './run-program.ts';

/** Paths of `wanted` and of all they depend on, in load order; what the kernel has built in is left out. */
export async function moduleLoadOrder(modulesDir: string, wanted: readonly string[]): Promise<string[]> {
  const builtIn = new Set(
    (await readFile(join(modulesDir, 'modules.builtin'), 'utf8')).split('\n').map(nameOf),
  );
  const pathOf = await modulePaths(modulesDir);
  const ordered = new Set<string>();
  const visit = async (module: string): Promise<void> => {
    if (builtIn.has(module)) return;
    const path = pathOf.get(module);
    if (path === undefined) throw buildFailed(`the kernel package has no module ${module}`);
    if (ordered.has(path)) return;
    for (const needed of dependenciesOf(await readFile(path))) await visit(needed);
    ordered.add(path);
  };
  for (const module of wanted) await visit(module);
  return [...ordered];
}

async function modulePaths(modulesDir: string): Promise<Map<string, string>> {
  const entries = await readdir(modulesDir, { recursive: true });
  const files = entries.filter((entry) => entry.endsWith('.ko'));
  return new Map(files.map((file) => [nameOf(file), join(modulesDir, file)]));
}

/** What a module says of itself in its .modinfo section: NUL-terminated `key=value` texts. */
function dependenciesOf(module: Buffer): string[] {
  const key = '\0depends=';
  const at = module.indexOf(key, 0, 'latin1');
  if (at < 0) throw buildFailed('a kernel module does not say what it depends on');
  const from = at + key.length;
  const listed = module.toString('latin1', from, module.indexOf(0, from));
  return listed.split(',').filter((name) => name !== '');
}

/** The kernel takes - and _ in module names for the same. */
function nameOf(path: string): string {
  return basename(path, '.ko').replaceAll('-', '_');
}
