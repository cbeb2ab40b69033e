/** blixard image build: builds an image of a recipe and Debian packages on this host. */
import type { Command } from 'commander';
import { formatBytes } from '../../../domain/units.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say } from '../../command.ts';

interface Options {
  readonly packages?: string;
  readonly recipe?: string;
}

const about = `
Recipes: base (bash, coreutils and busybox), python (Python 3 too), node (the Node.js that runs
Blixard, too). A name that is a recipe's is built from it. Packages are the newest of this host's
package lists (apt-get update) when the image is built; their scripts do not run. To renew an
image, remove and build it.
`;

export function addImageBuild(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'build',
    summary: 'build an image on this host; returns at once when it is there already',
    flags: 'image',
    printsData: true,
    examples: [
      'blixard image build python',
      'blixard image build tools --packages git,curl,ca-certificates',
      'blixard image build python:science --packages python3-numpy',
    ],
    setUp: (command) =>
      command
        .argument('<image>', 'name or name:tag of the image')
        .option('--packages <names>', 'Debian packages to add, separated by commas')
        .option('--recipe <name>', 'base, python or node (default: the one of this name, else base)')
        .addHelpText('after', about),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { context, flags, options } = call;
  const told: Promise<void>[] = [];
  const { packages, recipe } = options;
  const wish = {
    image: call.args[0] ?? '',
    ...(recipe === undefined ? {} : { recipe }),
    ...(packages === undefined ? {} : { packages }),
  };
  const image = await context.host.buildImage(flags, wish, (title) => {
    told.push(say(context, title));
  });
  await Promise.all(told);
  if (call.json) return void (await printJson(call, image));
  await print(call, `${image.name}:${image.tag}  ${formatBytes(image.bytes)}  ${image.digest}\n`);
}
