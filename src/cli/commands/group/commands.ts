/** blixard group: all commands about groups. */
import type { Command } from 'commander';
import { addNoun, type CommandHome } from '../../command.ts';
import { addGroupCancel } from './cancel.ts';
import { addGroupGet } from './get.ts';
import { addGroupLs } from './ls.ts';
import { addGroupWait } from './wait.ts';

export function addGroupCommands(parent: Command, home: CommandHome): void {
  const group = addNoun(parent, 'group', 'look at groups of jobs, wait for them and cancel them');
  addGroupLs(group, home);
  addGroupGet(group, home);
  addGroupWait(group, home);
  addGroupCancel(group, home);
}
