/** npm run bench:vm: how fast VMs start, how many a host carries, beside bare QEMU in the same run. */
import { Report } from './lib/report.ts';
import { benchDensity } from './vm/density.ts';
import { benchRates } from './vm/rates.ts';
import { benchStarts } from './vm/starts.ts';
import { benchZygotes } from './vm/zygotes.ts';

const args = process.argv.slice(2);
const short = args.includes('--short');

const report = new Report();
await benchStarts(report, short ? 5 : 15);
await benchZygotes(report, short ? 5 : 15);
await benchRates(report, short ? 24 : 100);
await benchDensity(report, short ? 5 : 50);
report.finish('Blixard: microVMs', args);
