import { describe, expect, it } from 'vitest';
import { BoundedCache } from './bounded-cache.ts';

describe('BoundedCache', () => {
  it('makes a value once, and again only after it was pushed out by newer ones', () => {
    const made: string[] = [];
    const cache = new BoundedCache({ max: 2, make: (key) => made.push(key) });
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) cache.get(key);
    expect(made).toEqual(['a', 'b', 'c', 'b']);
    expect(cache.size).toBe(2);
  });

  it('holds nothing after it was cleared, and goes on', () => {
    const cache = new BoundedCache({ max: 2, make: (key) => key });
    cache.get('a');
    cache.clear();
    expect(cache.size).toBe(0);
    expect(cache.get('a')).toBe('a');
  });

  it('keeps nothing of a key whose value could not be made', () => {
    let broken = true;
    const cache = new BoundedCache({
      max: 2,
      make: (key) => {
        if (broken) throw new Error(`no ${key}`);
        return key;
      },
    });
    expect(() => cache.get('a')).toThrow('no a');
    broken = false;
    expect(cache.get('a')).toBe('a');
  });
});
