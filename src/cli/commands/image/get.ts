/** blixard image get: one image of this host. */
import type { Command } from 'commander';
import { formatBytes } from '../../../domain/units.ts';
import { addCommand, type Call, type CommandHome, print, printJson } from '../../command.ts';
import type { ImageFacts } from '../../context.ts';
import { printable } from '../../output/style.ts';
import { renderFacts } from '../../output/table.ts';

export function addImageGet(parent: Command, home: CommandHome): void {
  addCommand(parent, home, {
    usage: 'get',
    summary: 'show one image: what it was made from, and where its parts are',
    flags: 'image',
    printsData: true,
    examples: ['blixard image get python', 'blixard image get tools:v2 -o json'],
    setUp: (command) => command.argument('<image>', 'name or name:tag of the image'),
    run,
  });
}

async function run(call: Call): Promise<undefined> {
  const image = await call.context.host.getImage(call.flags, call.args[0] ?? '');
  if (call.json) return void (await printJson(call, image));
  await print(call, renderFacts(factsOf(call, image), call.paint));
}

function factsOf(call: Call, image: ImageFacts): readonly (readonly [string, string])[] {
  return [
    ['image', `${image.name}:${image.tag}`],
    ['digest', image.digest],
    ['size', formatBytes(image.bytes)],
    ['built', call.time(image.builtAtMs)],
    ...Object.entries(image.labels)
      .filter(([, value]) => value !== '')
      .map(([name, value]) => [printable(name), printable(value)] as const),
    ['kernel file', image.kernelPath],
    ['initrd file', image.initrdPath],
    ['root file', `${image.rootPath} (${image.rootFsType})`],
  ];
}
