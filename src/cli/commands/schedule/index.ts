/** blixard schedule: all its verbs. */
import type { Command } from 'commander';
import { addNoun, type CommandHome } from '../../command.ts';
import { addScheduleChanges } from './change.ts';
import { addScheduleGet } from './get.ts';
import { addScheduleLs } from './ls.ts';
import { addScheduleSet } from './set.ts';
import { addScheduleTrigger } from './trigger.ts';

export function addSchedule(parent: Command, home: CommandHome): void {
  const noun = addNoun(parent, 'schedule', 'jobs that run at the times of a cron expression');
  addScheduleLs(noun, home);
  addScheduleGet(noun, home);
  addScheduleSet(noun, home);
  addScheduleChanges(noun, home);
  addScheduleTrigger(noun, home);
}
