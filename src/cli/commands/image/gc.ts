/** blixard image gc: removes what no image of this host needs. */
import type { Command } from 'commander';
import { defaults } from '../../../domain/defaults.ts';
import { formatBytes } from '../../../domain/units.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say } from '../../command.ts';
import { readMemoryMiB } from '../../parse.ts';

interface Options {
  readonly keepPackages?: string;
}

const mib = 1_024 ** 2;

export function addImageGc(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'gc',
    summary: 'remove files that no image needs: those of older builds, of killed ones, and old packages',
    flags: 'image',
    printsData: true,
    examples: ['blixard image gc', 'blixard image gc --keep-packages 0'],
    setUp: (command) =>
      command.option(
        '--keep-packages <size>',
        `room for downloaded packages, newest used stay (default: ${formatBytes(defaults.packageCacheBytes)})`,
      ),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const { context, flags, options } = call;
  const { keepPackages } = options;
  const packageBytes =
    keepPackages === undefined
      ? defaults.packageCacheBytes
      : readMemoryMiB('--keep-packages', keepPackages) * mib;
  const told: Promise<void>[] = [];
  const removed = await context.host.collectImageGarbage(flags, packageBytes, (title) => {
    told.push(say(context, title));
  });
  await Promise.all(told);
  if (call.json) return void (await printJson(call, removed));
  const { blobs, packages, bytes } = removed;
  await print(call, `${blobs} files and ${packages} packages removed, ${formatBytes(bytes)} freed\n`);
}
