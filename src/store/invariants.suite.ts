/** Holds a store to its invariants in one call, for tests that have done their worst to it. */
import { Findings, violationLines } from './verify/findings.ts';
import type { StoreReader } from './verify/reads.ts';
import { type Known, verifyStore } from './verify/verify-store.ts';

/** Every violation found, in words; none for a sound store. */
export async function checkInvariants(store: StoreReader, known: Known = {}): Promise<string[]> {
  const found = new Findings();
  await verifyStore(store, found, known);
  return violationLines(found.all());
}
