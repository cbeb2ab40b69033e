/** blixard image warm: builds what VMs of an image are started from, before the first job needs it. */
import type { Command } from 'commander';
import { defaults } from '../../../domain/defaults.ts';
import { formatBytes } from '../../../domain/units.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say } from '../../command.ts';
import { readInteger, readMemoryMiB } from '../../parse.ts';

interface Options {
  readonly memory?: string;
  readonly cpus?: string;
  readonly tenant?: string;
}

const about = `
Works on the images and in the data directory of this host. While a worker (blixard up or worker)
runs there, it builds the template, beside its jobs, and this command waits for it; when this
command is ended, the worker goes on. Returns at once when the template is there already.
`;

export function addImageWarm(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'warm',
    summary: 'build the template that VMs of an image are started from; a worker does so at its first job',
    flags: 'warm',
    printsData: true,
    examples: [
      'blixard image warm base',
      'blixard image warm base -m 1g --cpus 2',
      'blixard image warm python --tenant acme  # for its jobs of isolation maximum',
    ],
    setUp: (command) =>
      command
        .argument('<image>', 'name or name:tag of the image')
        .option('-m, --memory <size>', `memory of the VMs, for example 1g (default: ${defaults.memoryMiB}m)`)
        .option('--cpus <n>', `virtual CPUs of the VMs (default: ${defaults.vcpus})`)
        .option('--tenant <name>', 'for jobs of this tenant of isolation maximum, who share no template')
        .addHelpText('after', about),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { memory, cpus, tenant } = call.options;
  const { context, flags } = call;
  const wish = {
    memoryMiB: memory === undefined ? defaults.memoryMiB : readMemoryMiB('--memory', memory),
    vcpus: cpus === undefined ? defaults.vcpus : readInteger('--cpus', cpus),
    ...(tenant === undefined ? {} : { tenant }),
  };
  const told: Promise<void>[] = [];
  const template = await context.host.warmImage(flags, call.args[0] ?? '', wish, (title) => {
    told.push(say(context, title));
  });
  await Promise.all(told);
  if (call.json) return void (await printJson(call, template));
  await print(call, `${template.image}  ${formatBytes(template.bytes)}  ${template.key}\n`);
}
