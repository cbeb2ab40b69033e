/** npm run check: the checks alone, without set-up of VMs and without tests. */
import { bootstrap } from './bootstrap.mjs';
import { runChecks } from './checks.mjs';

if (!(await bootstrap({ image: false }))) process.exit(1);
const { passed, failed } = runChecks();
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
