/** npm run setup: makes a fresh clone ready to run. */
import { bootstrap } from './bootstrap.mjs';

process.stdout.write('Blixard set-up\n');
if (!(await bootstrap())) process.exit(1);
process.stdout.write('\nReady. Start Blixard with:  npx blixard up\n');
