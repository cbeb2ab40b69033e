/** The images of a host: reads tags and manifests, and says which image is damaged and how. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { imagePattern } from '../contract/job.ts';
import { BlixardError, problemOf } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import { readTextIfThere } from '../platform/files.ts';
import { blobPath } from './blobs.ts';
import { type BlobRef, decodeManifest, digestPattern, type ImageManifest } from './manifest.ts';

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
const digestText = new RegExp(digestPattern);

/** Path of the file that holds the digest of `name:tag`. */
export function tagPath(dir: string, name: string, tag: string): string {
  return join(dir, 'tags', name, tag);
}

export class ImageStore {
  readonly #dir: string;

  constructor(deps: { dir: string }) {
    this.#dir = deps.dir;
  }

  /** Every image, by name and tag. Rejects with IMAGE_INVALID when one is damaged. */
  async list(): Promise<readonly Image[]> {
    const images: Image[] = [];
    for (const name of await namesIn(join(this.#dir, 'tags'))) {
      for (const tag of await namesIn(join(this.#dir, 'tags', name))) {
        const image = await this.find(`${name}:${tag}`);
        if (image !== undefined) images.push(image);
      }
    }
    return images;
  }

  /** The image `name` or `name:tag`; no tag means `latest`. Rejects with IMAGE_INVALID when it is damaged. */
  async find(nameOrTag: string): Promise<Image | undefined> {
    if (!imageName.test(nameOrTag)) return undefined;
    const [name = '', tag = 'latest'] = nameOrTag.split(':');
    const digest = (await readTextIfThere(tagPath(this.#dir, name, tag)))?.trim();
    if (digest === undefined) return undefined;
    try {
      return await this.#read(name, tag, digest);
    } catch (error) {
      const details = { image: `${name}:${tag}`, problem: problemOf(error) };
      throw new BlixardError('IMAGE_INVALID', details, { cause: error });
    }
  }

  async #read(name: string, tag: string, digest: string): Promise<Image> {
    if (!digestText.test(digest)) throw new TypeError(`its tag holds ${JSON.stringify(digest.slice(0, 80))}`);
    const { manifest, builtAtMs } = await this.#manifest(digest);
    return {
      ...{ name, tag, digest, builtAtMs },
      kernelPath: await this.#wholeBlob('kernel', manifest.kernel),
      initrdPath: await this.#wholeBlob('initrd', manifest.initrd),
      rootPath: await this.#wholeBlob('root', manifest.root),
      rootFsType: manifest.rootFsType,
      bytes: manifest.kernel.bytes + manifest.initrd.bytes + manifest.root.bytes,
      labels: manifest.labels,
    };
  }

  async #manifest(digest: string): Promise<{ manifest: ImageManifest; builtAtMs: number }> {
    const path = blobPath(this.#dir, digest);
    const { size, mtimeMs } = await stat(path);
    if (size > limits.imageManifestBytes) throw new TypeError(`its manifest has ${size} bytes`);
    const manifest = decodeManifest((await readTextIfThere(path)) ?? '');
    return { manifest, builtAtMs: Math.floor(mtimeMs) };
  }

  async #wholeBlob(part: string, blob: BlobRef): Promise<string> {
    const path = blobPath(this.#dir, blob.digest);
    const { size } = await stat(path);
    if (size === blob.bytes) return path;
    throw new TypeError(`its ${part} has ${size} bytes instead of ${blob.bytes}: ${path}`);
  }
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
