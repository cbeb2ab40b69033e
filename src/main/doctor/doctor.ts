/** `blixard doctor`: everything that is checked, in the order it is told. */
import type { Finding } from '../../cli/context.ts';
import { examine, type Surgery } from './check.ts';
import { damagedImagesCheck } from './damaged-images.ts';
import { clockCheck, dataDirCheck, nodeCheck } from './host.ts';
import { imageToolsCheck } from './image-tools.ts';
import { serverCheck } from './server.ts';
import { storeCheck } from './store.ts';
import { vmRoomCheck } from './vm-room.ts';
import { vmStartsCheck } from './vm-starts.ts';
import { imageCheck, lockInCheck, qemuCheck, templatesCheck, vmManagerCheck } from './vms.ts';

const checks = [
  nodeCheck,
  clockCheck,
  dataDirCheck,
  storeCheck,
  vmManagerCheck,
  qemuCheck,
  lockInCheck,
  vmRoomCheck,
  imageCheck,
  damagedImagesCheck,
  templatesCheck,
  imageToolsCheck,
  serverCheck,
  vmStartsCheck,
];

/** Looks at this host; changes nothing on it but making an absent data directory. */
export function runDoctor(surgery: Surgery): Promise<readonly Finding[]> {
  return examine(checks, surgery);
}
