/** blixard schedule rm, pause and resume: what is done to schedules by their names alone. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { eachOf } from '../../each-job.ts';
import { scheduleLine } from './schedule-text.ts';

interface Change {
  readonly verb: string;
  readonly summary: string;
  readonly route: 'deleteSchedule' | 'pauseSchedule' | 'resumeSchedule';
}

const changes: readonly Change[] = [
  { verb: 'rm', summary: 'remove schedules; their jobs stay', route: 'deleteSchedule' },
  {
    verb: 'pause',
    summary: 'fire no slot of these schedules until they are resumed',
    route: 'pauseSchedule',
  },
  {
    verb: 'resume',
    summary: 'fire again from the next slot on; those of the pause are not made up for',
    route: 'resumeSchedule',
  },
];

export function addScheduleChanges(parent: Command, home: CommandHome): void {
  for (const change of changes) {
    addCommand(parent, home, {
      usage: change.verb,
      summary: change.summary,
      flags: 'client',
      printsData: true,
      examples: [`blixard schedule ${change.verb} nightly`],
      setUp: (command) => command.argument('<schedule...>', 'names of the schedules'),
      run: (call) => run(call, change),
    });
  }
}

async function run(call: Call, { route }: Change): Promise<undefined> {
  await withClient(call, async (client) => {
    await eachOf(call, call.args, async (name) => {
      const schedule = await client.call(route, { params: { name } });
      const line = route === 'deleteSchedule' ? `${name}  removed\n` : scheduleLine(schedule);
      await (call.json ? printJson(call, schedule) : print(call, line));
    });
  });
}
