import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parentsFirst } from './order.ts';

const list = (text: string) =>
  text.split(' ').map((word) => {
    const [id = '', after = ''] = word.split('<');
    return { id, after: after.split(',').filter((parent) => parent !== '') };
  });

describe('parentsFirst', () => {
  it('leaves an order that is fine as it is', () => {
    expect(parentsFirst(list('a b<a c d<b,c,other'))).toEqual([0, 1, 2, 3]);
  });

  it('puts parents before the first of their children', () => {
    expect(parentsFirst(list('d<b,c c<a b<a a e'))).toEqual([3, 2, 1, 0, 4]);
  });

  it.each([
    ['a<a', 'a a'],
    ['x a<b b<c c<a', 'a b c a'],
    ['start<b b<c c<b', 'b c b'],
  ])('names the cycle in %s', (text, cycle) => {
    expect(parentsFirst(list(text))).toEqual({ cycle: cycle.split(' ') });
  });

  it('orders any jobs, or names a cycle that is there', () => {
    const size = 8;
    const graph = fc.array(fc.uniqueArray(fc.nat(size - 1), { maxLength: 3 }), {
      minLength: size,
      maxLength: size,
    });
    fc.assert(
      fc.property(graph, (edges) => {
        const nodes = edges.map((after, index) => ({ id: String(index), after: after.map(String) }));
        const order = parentsFirst(nodes);
        if ('cycle' in order) {
          expect(order.cycle.at(0)).toBe(order.cycle.at(-1));
          for (const [index, id] of order.cycle.slice(0, -1).entries())
            expect(nodes[Number(id)]?.after).toContain(order.cycle[index + 1]);
          return;
        }
        expect([...order].sort()).toEqual([...nodes.keys()]);
        for (const [child, parents] of edges.entries())
          for (const parent of parents) expect(order.indexOf(parent)).toBeLessThan(order.indexOf(child));
      }),
    );
  });
});
