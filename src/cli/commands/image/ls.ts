/** blixard image ls: the images on this host. */
import type { Command } from 'commander';
import { formatBytes } from '../../../domain/units.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say } from '../../command.ts';
import type { ImageLine } from '../../context.ts';
import { printable } from '../../output/style.ts';
import { type Column, renderTable } from '../../output/table.ts';
import type { ShowTime } from '../../output/time.ts';

export function addImageLs(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'ls',
    summary: 'list the images on this host',
    flags: 'image',
    printsData: true,
    examples: ['blixard image ls'],
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  const { context, flags } = call;
  const told: Promise<void>[] = [];
  const { dir, images } = await context.host.listImages(flags, (problem) => {
    told.push(say(context, problem));
  });
  await Promise.all(told);
  if (call.json) return void (await printJson(call, { images }));
  const columns = imageColumns(call.time);
  await print(call, renderTable(images, columns, call.paint, context.terminal.columns));
  if (images.length === 0)
    await say(context, printable(`there is no image in ${dir}; blixard image build makes one`));
}

function imageColumns(time: ShowTime): readonly Column<ImageLine>[] {
  return [
    { head: 'IMAGE', cell: (image) => `${image.name}:${image.tag}` },
    { head: 'SIZE', align: 'right', cell: (image) => formatBytes(image.bytes) },
    { head: 'BUILT', cell: (image) => time(image.builtAtMs) },
    { head: 'DIGEST', flexible: true, cell: (image) => image.digest },
  ];
}
