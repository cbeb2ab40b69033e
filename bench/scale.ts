/**
 * npm run bench:scale: each command with few and with many jobs stored, also with many scheduled for later, and for a
 * worker that serves many queues. `--sizes 1000,100000`, `--scheduled N` and `--queues N` make it shorter.
 */
import { numberArg, numbersArg } from './lib/args.ts';
import { benchCommands, benchLoadAll, type Filled, withFilled } from './lib/flat.ts';
import { Report } from './lib/report.ts';
import { emptyJob } from './lib/stored.ts';

const args = process.argv.slice(2);
const sizes = numbersArg(args, '--sizes', [1_000, 10_000, 100_000, 1_000_000]);
const scheduled = numberArg(args, '--scheduled', 100_000);
const queues = Array.from({ length: numberArg(args, '--queues', 20) }, (_, index) => `busy${index}`);
const dayMs = 24 * 3_600_000;

async function schedule({ stored }: Filled): Promise<void> {
  for (let done = 0; done < scheduled; done += 1_000) {
    const length = Math.min(1_000, scheduled - done);
    const later = (_: unknown, index: number) => ({
      ...emptyJob,
      queue: 'busy0',
      delayMs: dayMs + done + index,
    });
    await stored.jobs.submitAll(Array.from({ length }, later));
  }
}

const report = new Report();
await withFilled(sizes, queues, async (filled) => {
  const one = queues.slice(0, 1);
  const get = await benchCommands(report, filled, one);
  await benchCommands(report, filled, queues, `, ${queues.length} queues per worker`);
  for (const each of filled) await schedule(each);
  await benchCommands(report, filled, one, `, ${scheduled} scheduled for later`);
  await benchLoadAll(report, filled, get);
});
report.finish('Blixard: commands with few and with many jobs stored', args);
