/** What `blixard up` says when it is ready: where it is, what it runs, what to do next. */
import { makePaint } from '../cli/output/style.ts';
import { renderFacts } from '../cli/output/table.ts';
import type { Image } from '../image/image-store.ts';
import type { VmService } from '../vm/vm-service.ts';
import type { Config } from './config-keys.ts';
import { buildBaseCommand } from './images.ts';
import type { Machine } from './machine.ts';

/** What the banner tells of. */
export interface Ready {
  readonly url: string;
  readonly config: Config;
  readonly vms: VmService;
  readonly images: readonly Image[];
}

/** Printed on standard error: standard output is for data. */
export async function printBanner({ terminal, version }: Machine, ready: Ready): Promise<void> {
  const paint = makePaint(terminal.hasColour('stderr'));
  const { config } = ready;
  const facts = renderFacts(
    [
      ['API', ready.url],
      ['data', config.dataDir],
      ['VMs', vmText(ready.vms)],
      ['starts', startsText(ready)],
      [
        'images',
        ready.images.map(({ name, tag }) => `${name}:${tag}`).join(', ') || `none in ${config.imagesDir}`,
      ],
      ['worker', `${config.workerName}, ${config.slots} jobs at once, queues ${config.queues.join(', ')}`],
    ],
    paint,
  );
  const server = config.server === ready.url ? '' : ` --server ${ready.url}`;
  const first = ready.images.length > 0 ? '' : `Make an image:  ${buildBaseCommand(config.imagesDir)}\n`;
  const next = `${first}Run something:  blixard run${server} -- sh -c 'echo hello; uname -r'`;
  await terminal.write('stderr', `${paint('bold', `Blixard ${version}`)}\n\n${facts}\n${next}\n\n`);
}

function vmText(vms: VmService): string {
  const host = vms.host();
  if (host === undefined) return `none: ${vms.unavailableReason()}`;
  const { driver, version, accelReason } = host.capabilities;
  return `${driver} ${version}, ${accelReason}`;
}

/** How VMs start, where there are any. */
function startsText({ vms, config }: Ready): string | undefined {
  const host = vms.host();
  if (host === undefined) return undefined;
  if (config.templates === 'off' || host.capabilities.templates === 'none') return 'booted';
  const pool = config.poolTarget === 0 ? '' : `a pool of up to ${config.poolMax}, else `;
  return `from ${pool}templates, else booted`;
}
