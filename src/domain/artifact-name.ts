/** Which names an artifact may have: they are shown, searched and saved under, whoever made them up. */
import { limits } from './limits.ts';

const segment = '(?!\\.{1,2}(?:/|$))[^/\\u0000-\\u001f\\u007f\\ud800-\\udfff]+';

/** A relative path without `.`, `..`, empty parts and control characters. */
export const artifactNamePattern = `^${segment}(?:/${segment})*$`;

const shape = new RegExp(artifactNamePattern, 'u');

/** True for a name of that pattern whose bytes in UTF-8 are not too many. */
export function isArtifactName(name: string): boolean {
  return shape.test(name) && utf8Bytes(name) <= limits.artifactNameBytes;
}

/** Of text without lone surrogates. */
function utf8Bytes(text: string): number {
  return encodeURIComponent(text).replaceAll(/%../g, 'x').length;
}
