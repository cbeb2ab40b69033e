/** Cost of one command by id, with few and with many jobs stored; beside it the way that loads all and filters. */
import { benchCommands, benchLoadAll, withFilled } from '../lib/flat.ts';
import type { Report } from '../lib/report.ts';

const queues = ['busy'];

export async function benchScale(report: Report, few: number, many: number): Promise<void> {
  await withFilled([few, many], queues, async (filled) => {
    const get = await benchCommands(report, filled, queues);
    await benchLoadAll(report, filled, get);
  });
}
