/** blixard image rm: removes images from this host. */
import type { Command } from 'commander';
import { formatBytes } from '../../../domain/units.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say } from '../../command.ts';

const about = `
The files go with the last image that shares them. VMs that run go on to their end, they have the
files open; new ones are refused, and jobs that name the image fail with image_missing. Templates of
it stay until their room is needed; those of an image built anew with the same content are used again.
`;

export function addImageRm(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'rm',
    summary: 'remove images, and the files that no other image shares',
    flags: 'image',
    printsData: true,
    examples: ['blixard image rm tools', 'blixard image rm python:old node:old'],
    setUp: (command) =>
      command.argument('<image...>', 'name or name:tag; no tag means latest').addHelpText('after', about),
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  const { context, flags } = call;
  const told: Promise<void>[] = [];
  const removed = await context.host.removeImages(flags, call.args, (title) => {
    told.push(say(context, title));
  });
  await Promise.all(told);
  if (call.json) return void (await printJson(call, { removed }));
  const lines = removed.map(({ image, blobs, bytes }) => {
    return `${image}  removed, ${blobs} files and ${formatBytes(bytes)} freed\n`;
  });
  await print(call, lines.join(''));
}
