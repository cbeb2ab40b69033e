/** The manifest of an image: a small JSON blob that names its parts by digest. */
import { strict } from '../contract/schema.ts';
import { type Static, Type } from '../contract/typebox.ts';
import { Value } from '../contract/typebox-check.ts';

export const digestPattern = '^sha256:[0-9a-f]{64}$';

/** The label that names the interpreters its templates have running, blanks in between. */
export const zygotesLabel = 'zygotes';

/** A blob and its size, for a cheap check that it is whole. */
export const BlobRef = strict({
  digest: Type.String({ pattern: digestPattern }),
  bytes: Type.Integer({ minimum: 1 }),
});
export type BlobRef = Static<typeof BlobRef>;

export const ImageManifest = strict({
  formatVersion: Type.Literal(1),
  kernel: BlobRef,
  initrd: BlobRef,
  root: BlobRef,
  rootFsType: Type.String({ pattern: '^[a-z0-9]{1,32}$', description: 'stands in the kernel command line' }),
  labels: Type.Record(Type.String({ minLength: 1, maxLength: 64 }), Type.String({ maxLength: 4096 }), {
    description: 'facts about how it was made',
  }),
});
export type ImageManifest = Static<typeof ImageManifest>;

/** The stored form: equal manifests give equal bytes. */
export function encodeManifest(manifest: ImageManifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** @throws TypeError that names the first wrong field. */
export function decodeManifest(text: string): ImageManifest {
  const value: unknown = JSON.parse(text);
  if (Value.Check(ImageManifest, value)) return value;
  const [first] = Value.Errors(ImageManifest, value);
  throw new TypeError(`manifest${first?.instancePath ?? ''} ${first?.message ?? 'is invalid'}`);
}
