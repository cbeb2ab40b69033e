/** The order of jobs that come together: parents before their children; finds the cycle when there is none. */

/** A job, and the jobs it runs after; ids that are not in the list count for nothing. */
interface Node {
  readonly id: string;
  readonly after: readonly string[];
}

/** The cycle, each id waiting for the next, the first again at its end. */
export interface Cycle {
  readonly cycle: readonly string[];
}

/** Indexes in an order where each job stands behind those it runs after, else as given; or a cycle. */
export function parentsFirst(nodes: readonly Node[]): readonly number[] | Cycle {
  const indexOf = new Map(nodes.map(({ id }, index) => [id, index]));
  const parentsOf = nodes.map(({ after }) => after.flatMap((id) => indexOf.get(id) ?? []));
  const order: number[] = [];
  const seen = new Array<'open' | 'placed' | undefined>(nodes.length);
  // A path of its own instead of recursion: a chain may be as long as the list.
  const path: { index: number; next: number }[] = [];
  for (const start of nodes.keys()) {
    if (seen[start] === undefined) path.push({ index: start, next: 0 });
    seen[start] ??= 'open';
    for (let here = path.at(-1); here !== undefined; here = path.at(-1)) {
      const parent = parentsOf[here.index]?.[here.next++];
      if (parent === undefined) {
        path.pop();
        seen[here.index] = 'placed';
        order.push(here.index);
      } else if (seen[parent] === undefined) {
        seen[parent] = 'open';
        path.push({ index: parent, next: 0 });
      } else if (seen[parent] === 'open') {
        const ring = path.slice(path.findIndex(({ index }) => index === parent));
        return { cycle: [...ring, ring[0]].map((each) => nodes[each?.index ?? 0]?.id ?? '') };
      }
    }
  }
  return order;
}
