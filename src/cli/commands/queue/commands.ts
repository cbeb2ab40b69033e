/** blixard queue: all commands about queues. */
import type { Command } from 'commander';
import { addNoun, type CommandHome } from '../../command.ts';
import { addQueueGet } from './get.ts';
import { addQueueLs } from './ls.ts';
import { addQueuePause, addQueueResume } from './pause.ts';
import { addQueuePurge } from './purge.ts';
import { addQueueRedrive } from './redrive.ts';
import { addQueueRm } from './rm.ts';
import { addQueueSet } from './set.ts';

export function addQueueCommands(parent: Command, home: CommandHome): void {
  const queue = addNoun(parent, 'queue', 'look at queues, set, pause and clear them');
  addQueueLs(queue, home);
  addQueueGet(queue, home);
  addQueueSet(queue, home);
  addQueueRm(queue, home);
  addQueuePause(queue, home);
  addQueueResume(queue, home);
  addQueueRedrive(queue, home);
  addQueuePurge(queue, home);
}
