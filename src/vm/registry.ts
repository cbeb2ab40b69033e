/** The host's own record of its VMs: a folder and a file per VM, on disk before its VMM is spawned. */
import { mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isUuidV7 } from '../domain/ids.ts';
import type { ProcessIdentity } from '../hypervisor/hypervisor.ts';
import { removeTree, syncDirectory, writeFileDurably } from '../platform/files.ts';

/** What stands in `vm.json`. */
export interface VmRecord {
  readonly id: string;
  /** Digest of the image. */
  readonly image: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
  /** Epoch ms. */
  readonly createdAtMs: number;
  /** Null until the VMM was spawned. */
  readonly vmm: ProcessIdentity | null;
}

/** Folders and records under `<dataDir>/vms`. A record goes only after its VM is gone. */
export class VmRegistry {
  readonly #dir: string;
  readonly #records = new Map<string, VmRecord>();
  readonly #writing = new Map<string, Promise<void>>();

  constructor(deps: { dir: string }) {
    this.#dir = deps.dir;
  }

  /** Records a VM about to be started, durably, and returns the folder made for it. */
  async open(record: VmRecord): Promise<string> {
    const folder = this.#folder(record.id);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    this.#records.set(record.id, record);
    const file = await open(this.#file(record.id), 'w', 0o600);
    try {
      await file.writeFile(textOf(record));
      // A sweep goes by the folder's name, so a part of the file does no harm; side by side is one wait for the disk.
      await Promise.all([file.sync(), syncDirectory(folder), syncDirectory(this.#dir)]);
    } finally {
      await file.close();
    }
    return folder;
  }

  /** Adds which process the VM became; nothing when the VM is forgotten already. */
  async spawned(id: string, vmm: ProcessIdentity): Promise<void> {
    const record = this.#records.get(id);
    if (record !== undefined) await this.#write({ ...record, vmm });
  }

  /** Removes folder and record of a VM that is gone. Safe to call again. */
  async forget(id: string): Promise<void> {
    this.#records.delete(id);
    // A write still under way would make the folder anew; its failure was told to whoever asked for it.
    await Promise.allSettled([this.#writing.get(id)]);
    this.#writing.delete(id);
    await removeTree(this.#folder(id));
  }

  /** Ids of all VMs on disk, also of those an earlier process left. */
  async onDisk(): Promise<readonly string[]> {
    await mkdir(this.#dir, { recursive: true });
    const names = await readdir(this.#dir);
    return names.filter(isUuidV7);
  }

  async #write(record: VmRecord): Promise<void> {
    this.#records.set(record.id, record);
    const writing = writeFileDurably(this.#file(record.id), textOf(record));
    this.#writing.set(record.id, writing);
    await writing;
  }

  #file(id: string): string {
    return join(this.#folder(id), 'vm.json');
  }

  #folder(id: string): string {
    return join(this.#dir, id);
  }
}

function textOf(record: VmRecord): string {
  return `${JSON.stringify(record)}\n`;
}
