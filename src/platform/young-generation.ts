/** The heap of a process that starts: what a start throws away must not be kept as room for ever. */
import { setFlagsFromString } from 'node:v8';

/**
 * Until `letGrow` is called V8 keeps the space for new objects small. A start makes much that does not live, and V8
 * would give that space 32 MiB which an idle process never gives back.
 */
export function holdYoungGeneration(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** Under load the space may grow again, by the factor that is V8's own. */
export function letYoungGenerationGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
}
