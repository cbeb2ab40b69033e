/** Refuses a filter by kinds that no event can pass. */
import { eventKindsAllowed } from '../../contract/webhook.ts';
import { meansEventKind } from '../../domain/event-kinds.ts';
import { badValue } from '../http/validation.ts';

/** Throws VALIDATION_FAILED for what is neither a kind nor the start of one; `fieldOf` names it by its place. */
export function assertKinds(kinds: readonly string[], fieldOf: (place: number) => string): void {
  const place = kinds.findIndex((kind) => !meansEventKind(kind));
  if (place >= 0) throw badValue(fieldOf(place), kinds[place], eventKindsAllowed);
}
