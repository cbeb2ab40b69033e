/** Holds a store to its invariants in one call, for tests that have done their worst to it. */
import { Findings, violationLines } from './verify/findings.ts';
import type { StoreReader } from './verify/reads.ts';
import { verifyStore } from './verify/verify-store.ts';

/** Every violation found, in words; none for a sound store. */
export async function checkInvariants(store: StoreReader): Promise<string[]> {
  const found = new Findings();
  await verifyStore(store, found);
  return violationLines(found.all());
}
