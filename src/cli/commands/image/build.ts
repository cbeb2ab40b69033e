/** blixard image build: builds an image of Blixard's own on this host. */
import type { Command } from 'commander';
import { formatBytes } from '../../../domain/units.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say } from '../../command.ts';

export function addImageBuild(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'build',
    summary: 'build an image; returns at once when it is there already',
    flags: 'image',
    printsData: true,
    examples: ['blixard image build base'],
    setUp: (command) => command.argument('<name>', 'base: busybox on the Debian kernel'),
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  const { context, flags } = call;
  const told: Promise<void>[] = [];
  const image = await context.host.buildImage(flags, call.args[0] ?? '', (title) => {
    told.push(say(context, title));
  });
  await Promise.all(told);
  if (call.json) return void (await printJson(call, image));
  await print(call, `${image.name}:${image.tag}  ${formatBytes(image.bytes)}  ${image.digest}\n`);
}
