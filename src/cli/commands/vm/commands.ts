/** The verbs of `blixard vm`. */
import type { Command } from 'commander';
import { addNoun, type CommandHome } from '../../command.ts';
import { addVmGet } from './get.ts';
import { addVmLs } from './ls.ts';
import { addVmStats } from './stats.ts';

export function addVmCommands(program: Command, home: CommandHome): void {
  const vm = addNoun(program, 'vm', 'the microVMs of all workers');
  addVmLs(vm, home);
  addVmGet(vm, home);
  addVmStats(vm, home);
}
