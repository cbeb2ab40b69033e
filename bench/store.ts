/** npm run bench:store: what one job costs the store and the commands over it, by phase; group commit beside none. */

import { numberArg } from './lib/args.ts';
import { Report } from './lib/report.ts';
import { benchGroupCommit } from './store/group-commit.ts';
import { benchPhases } from './store/phases.ts';

const args = process.argv.slice(2);
const jobs = numberArg(args, '--jobs', 20_000);

const report = new Report();
await benchPhases(report, jobs);
await benchGroupCommit(report, Math.min(jobs, 5_000));
report.finish('Blixard: the durable queue in process, synchronous=FULL', args);
