/** npm run bench:spine: the figures of the main path, as ratios within this run. */
import { Report } from './lib/report.ts';
import { benchBoot } from './spine/boot.ts';
import { benchOutput } from './spine/output.ts';
import { benchRun } from './spine/run.ts';
import { benchScale } from './spine/scale.ts';

const args = process.argv.slice(2);
const few = 1_000;
const many = args.includes('--short') ? 20_000 : 1_000_000;

const report = new Report();
await benchBoot(report);
await benchRun(report);
await benchOutput(report);
await benchScale(report, few, many);
report.finish('Blixard: the main path', args);
