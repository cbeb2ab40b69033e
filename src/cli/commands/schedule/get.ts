/** blixard schedule get: one schedule, its next slots and its newest runs. */
import type { Command } from 'commander';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { scheduleText } from './schedule-text.ts';

export function addScheduleGet(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'get',
    summary: 'show one schedule: when it fires next, and what became of its newest slots',
    flags: 'client',
    printsData: true,
    examples: ['blixard schedule get nightly', 'blixard schedule get nightly -o json'],
    setUp: (command) => command.argument('<schedule>', 'name of the schedule'),
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  const params = { name: call.args[0] ?? '' };
  const schedule = await withClient(call, (client) => client.call('getSchedule', { params }));
  await (call.json ? printJson(call, schedule) : print(call, scheduleText(call, schedule)));
}
