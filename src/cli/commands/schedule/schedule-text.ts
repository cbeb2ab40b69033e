/** What the schedule commands print of a schedule. */
import type { Schedule, ScheduleRun, ScheduleWithRuns } from '../../../contract/schedule.ts';
import type { Call } from '../../command.ts';
import { commandText } from '../../output/command-text.ts';
import { printable } from '../../output/style.ts';
import { type Column, renderFacts, renderTable } from '../../output/table.ts';
import { zoneTime } from '../../output/zone-time.ts';

/** All that is known of it, with its next slots in its zone and in the reader's, and its newest runs. */
export function scheduleText(call: Call, schedule: ScheduleWithRuns): string {
  const facts = renderFacts(factsOf(call, schedule), call.paint);
  if (schedule.runs.length === 0) return facts;
  const width = call.context.terminal.columns;
  return `${facts}\n${renderTable(schedule.runs, runColumns(call), call.paint, width)}`;
}

/** One line: its name, and when it fires next. */
export function scheduleLine(schedule: Schedule): string {
  const next = schedule.nextAtMs === null ? '' : 'next ';
  return `${schedule.name}  ${next}${nextText(schedule)}\n`;
}

/** When it fires next, in its own time zone. */
export function nextText({ paused, nextAtMs, timeZone }: Schedule): string {
  if (paused) return 'paused';
  return nextAtMs === null ? 'never again' : `${zoneTime(nextAtMs, timeZone)} ${timeZone}`;
}

function factsOf(call: Call, schedule: Schedule): readonly (readonly [string, string | undefined])[] {
  const { job, timeZone } = schedule;
  return [
    ['name', schedule.name],
    ['cron', `${printable(schedule.cron)}  (${timeZone})`],
    ['state', schedule.paused ? call.paint('yellow', 'paused') : call.paint('green', 'active')],
    ...schedule.nextSlotsMs.map(
      (slotMs, index) => [index === 0 ? 'next' : '', slotText(call, slotMs, timeZone)] as const,
    ),
    ['last slot', schedule.lastSlotMs === null ? undefined : slotText(call, schedule.lastSlotMs, timeZone)],
    ['last job', schedule.lastJobId ?? undefined],
    ['command', commandText(job.command)],
    ['executor', job.executor],
    ['catch-up', schedule.catchUp === 'all' ? `all, ${schedule.catchUpMax} at most` : schedule.catchUp],
    ['overlap', schedule.overlap],
    ['runs', `${schedule.fired} fired, ${schedule.skipped} skipped, ${schedule.failed} failed`],
    ['version', String(schedule.version)],
  ];
}

function slotText(call: Call, slotMs: number, timeZone: string): string {
  const own = call.context.env['TZ'] ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const there = `${zoneTime(slotMs, timeZone)} ${timeZone}`;
  return own === timeZone ? there : `${there}, here ${zoneTime(slotMs, own)}`;
}

function runColumns(call: Call): readonly Column<ScheduleRun>[] {
  return [
    { head: 'SLOT', cell: (run) => call.time(run.slotMs) },
    { head: 'WHAT', cell: whatOf },
    { head: 'JOB', cell: (run) => run.jobId ?? '-' },
    { head: 'MESSAGE', flexible: true, cell: (run) => run.message ?? '' },
  ];
}

/** For example `fired`, `fired (triggered)`, `skipped 12 (missed)`. */
function whatOf({ outcome, reason, slots, trigger }: ScheduleRun): string {
  const count = slots > 1 ? ` ${slots}` : '';
  const why = reason ?? (trigger === 'manual' ? 'triggered' : null);
  return `${outcome}${count}${why === null ? '' : ` (${why})`}`;
}
