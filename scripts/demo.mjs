/** npm run demo: set-up where needed, then five real jobs in real microVMs. */
import { bootstrap } from './bootstrap.mjs';

process.stdout.write('Blixard set-up\n');
if (!(await bootstrap())) process.exit(1);
const { tsImport } = await import('tsx/esm/api');
await tsImport('./demo/main.ts', import.meta.url);
