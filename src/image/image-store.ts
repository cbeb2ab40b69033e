/** The images of a host: reads tags and manifests, and says which image is damaged and how. */
import { mkdirSync, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { imagePattern } from '../contract/job.ts';
import { BlixardError, isBlixardError, problemOf } from '../domain/errors.ts';
import { FileCache, type MadeOfFiles } from '../platform/file-cache.ts';
import { blobPath } from './blobs.ts';
import type { BlobRef } from './manifest.ts';
import { listTags, readManifest, readTag, tagPath } from './tags.ts';

/** An image whose parts are all there. */
export interface Image {
  readonly name: string;
  readonly tag: string;
  /** Digest of the manifest, `sha256:…`; equal on every host that built it from the same parts. */
  readonly digest: string;
  readonly kernelPath: string;
  readonly initrdPath: string;
  readonly rootPath: string;
  readonly rootFsType: string;
  /** When its manifest was written here, epoch ms. */
  readonly builtAtMs: number;
  /** Kernel, initramfs and root together. */
  readonly bytes: number;
  readonly labels: Readonly<Record<string, string>>;
}

const imageName = new RegExp(imagePattern);

export class ImageStore {
  readonly #dir: string;
  /** By name and tag: each job looks for one. */
  readonly #known = new FileCache<Image | undefined>();

  constructor(deps: { dir: string }) {
    this.#dir = deps.dir;
  }

  /** The folder it reads. */
  get dir(): string {
    return this.#dir;
  }

  /**
   * Every image, by name and tag. Damaged ones are left out when `onDamaged` is told of them, and else the reason to
   * reject with IMAGE_INVALID.
   */
  async list(onDamaged?: (error: BlixardError) => void): Promise<readonly Image[]> {
    const images: Image[] = [];
    for (const { name, tag } of await listTags(this.#dir)) {
      try {
        const image = await this.find(`${name}:${tag}`);
        if (image !== undefined) images.push(image);
      } catch (error) {
        if (onDamaged === undefined || !isBlixardError(error, 'IMAGE_INVALID')) throw error;
        onDamaged(error);
      }
    }
    return images;
  }

  /** The image `name` or `name:tag`; no tag means `latest`. Rejects with IMAGE_INVALID when it is damaged. */
  async find(nameOrTag: string): Promise<Image | undefined> {
    if (!imageName.test(nameOrTag)) return undefined;
    const [name = '', tag = 'latest'] = nameOrTag.split(':');
    try {
      const path = tagPath(this.#dir, name, tag);
      return await this.#known.get(`${name}:${tag}`, path, () => this.#readTagged(name, tag));
    } catch (error) {
      const details = { image: `${name}:${tag}`, problem: problemOf(error) };
      throw new BlixardError('IMAGE_INVALID', details, { cause: error });
    }
  }

  /**
   * Calls `onChange` whenever an image may have come or gone, until the returned function is called. Throws when the
   * folder, which is made if need be, cannot be watched.
   */
  watch({ onChange, onError }: { onChange(): void; onError(error: unknown): void }): () => void {
    mkdirSync(this.#dir, { recursive: true });
    // Tags move through this folder on their way in and out; see image-folder.ts.
    const watcher = watch(this.#dir, { persistent: false }, onChange);
    watcher.on('error', onError);
    return () => watcher.close();
  }

  async #readTagged(name: string, tag: string): Promise<MadeOfFiles<Image | undefined>> {
    const digest = await readTag(this.#dir, { name, tag });
    if (digest === undefined) return { value: undefined, paths: [] };
    const value = await this.#read(name, tag, digest);
    const { kernelPath, initrdPath, rootPath } = value;
    return { value, paths: [blobPath(this.#dir, digest), kernelPath, initrdPath, rootPath] };
  }

  async #read(name: string, tag: string, digest: string): Promise<Image> {
    const { manifest, builtAtMs } = await readManifest(this.#dir, digest);
    const { kernel, initrd, root, rootFsType, labels } = manifest;
    return {
      ...{ name, tag, digest, builtAtMs },
      kernelPath: await this.#wholeBlob('kernel', kernel),
      initrdPath: await this.#wholeBlob('initrd', initrd),
      rootPath: await this.#wholeBlob('root', root),
      ...{ rootFsType, labels },
      bytes: kernel.bytes + initrd.bytes + root.bytes,
    };
  }

  async #wholeBlob(part: string, blob: BlobRef): Promise<string> {
    const path = blobPath(this.#dir, blob.digest);
    const { size } = await stat(path);
    if (size === blob.bytes) return path;
    throw new TypeError(`its ${part} has ${size} bytes instead of ${blob.bytes}: ${path}`);
  }
}
