/** blixard events: what happened, or what happens as it does. */
import type { Command } from 'commander';
import type { JobEvent } from '../../contract/job.ts';
import { defaults } from '../../domain/defaults.ts';
import { limits } from '../../domain/limits.ts';
import { addCommand, type Call, type CommandHome, print, say, withClient } from '../command.ts';
import { printable } from '../output/style.ts';
import { readInteger } from '../parse.ts';

interface Options {
  readonly follow?: boolean;
  readonly kind?: string;
  readonly queue?: string;
  readonly job?: string;
  readonly after?: string;
  readonly last?: string;
  readonly limit?: string;
}

export function addEvents(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'events',
    summary: 'print what happened to jobs and workers, oldest first; JSON is one line per event',
    flags: 'client',
    printsData: true,
    examples: [
      'blixard events -f',
      'blixard events --job 0197f2c4 --after 0',
      'blixard events -f --kind job.failed -o json',
    ],
    setUp: (command) =>
      command
        .option('-f, --follow', 'go on with what happens from now on')
        .option('--kind <kind>', 'only this kind or its start, for example job. or job.failed')
        .option('--queue <name>', 'only events of jobs of this queue')
        .option('--job <job>', 'only events of this job: its id, or a unique start of it')
        .option('--after <seq>', 'start after the event of this number')
        .option('--last <n>', `start so many events back (default: ${defaults.pageSize}, with -f 0)`)
        .option('-n, --limit <n>', 'without -f: print at most so many (default: all)'),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { follow, kind, queue, job, after, last } = call.options;
  const start = startOf(follow === true, after, last);
  const filter = {
    ...(kind === undefined ? {} : { kind }),
    ...(queue === undefined ? {} : { queue }),
    ...(job === undefined ? {} : { job }),
    ...start,
  };
  await withClient(call, async (client) => {
    if (follow !== true)
      return await printStored(call, (cursor, limit) => client.listEvents({ ...filter, ...cursor, limit }));
    for await (const event of client.followEvents(filter)) await printEvent(call, event);
  });
}

function startOf(follow: boolean, after?: string, last?: string): { after?: number; last?: number } {
  if (after !== undefined) return { after: readInteger('--after', after) };
  if (last !== undefined) return { last: readInteger('--last', last) };
  return follow ? {} : { last: defaults.pageSize };
}

/** Page after page, up to the limit. */
async function printStored(
  call: Call<Options>,
  read: (
    cursor: { cursor?: string },
    limit: number,
  ) => Promise<{ readonly events: readonly JobEvent[]; readonly nextCursor: string | null }>,
): Promise<void> {
  const { limit } = call.options;
  let left = limit === undefined ? Number.POSITIVE_INFINITY : readInteger('--limit', limit);
  let cursor: { cursor?: string } = {};
  while (left > 0) {
    const page = await read(cursor, Math.min(left, limits.pageMax));
    for (const event of page.events) await printEvent(call, event);
    left -= page.events.length;
    if (page.nextCursor === null) return;
    cursor = { cursor: page.nextCursor };
  }
  await say(call.context, 'there may be more: raise --limit, or go on with --after');
}

function printEvent(call: Call<Options>, event: JobEvent): Promise<void> {
  return print(call, call.json ? `${JSON.stringify(event)}\n` : lineOf(call, event));
}

function lineOf({ paint, time }: Call<Options>, event: JobEvent): string {
  const about = event.jobId ?? event.workerId ?? '-';
  const attempt = event.attempt === null ? [] : [`attempt=${event.attempt}`];
  const facts = Object.entries(event.data)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const cells = [
    paint('dim', String(event.seq)),
    time(event.atMs),
    event.kind.padEnd(18),
    about,
    printable([...attempt, ...facts].join(' ')),
  ];
  return `${cells.join('  ').trimEnd()}\n`;
}
