/** Waits for work done side by side. */

/** Resolves when every one has ended; rejects then with the first failure, so that none is left running unseen. */
export async function allDone(work: readonly Promise<void>[]): Promise<void> {
  for (const end of await Promise.allSettled(work)) if (end.status === 'rejected') throw end.reason;
}
