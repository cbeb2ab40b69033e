import { describe, expect, it } from 'vitest';
import { Teardown } from './teardown.ts';

/** A teardown whose steps write down their names. */
function recorded() {
  const done: string[] = [];
  const teardown = new Teardown();
  const add = (name: string, fails = false): void =>
    teardown.add(async () => {
      done.push(name);
      if (fails) throw new Error(`${name} failed`);
    });
  return { done, teardown, add };
}

describe('a teardown', () => {
  it('takes the steps back, last first, each once', async () => {
    const { done, teardown, add } = recorded();
    add('store');
    add('app');
    await Promise.all([teardown.run(), teardown.run()]);
    expect(done).toEqual(['app', 'store']);
  });

  it('goes on after a step that fails, and tells of the first failure', async () => {
    const { done, teardown, add } = recorded();
    add('store', true);
    add('app', true);
    await expect(teardown.run()).rejects.toThrow('app failed');
    expect(done).toEqual(['app', 'store']);
  });

  it('undoes a start that fails half-way, and tells why it failed', async () => {
    const { done, teardown, add } = recorded();
    const start = teardown.guard(async () => {
      add('store');
      throw new Error('no port');
    });
    await expect(start).rejects.toThrow('no port');
    expect(done).toEqual(['store']);
  });
});
