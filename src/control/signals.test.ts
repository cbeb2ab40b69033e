import { describe, expect, it } from 'vitest';
import { Signals } from './signals.ts';

describe('signals', () => {
  it('reach those who listen for that key, until they stop', () => {
    const signals = new Signals();
    const heard: string[] = [];
    const stops = [
      signals.onEnded('a', () => heard.push('a ended')),
      signals.onChanged('a', () => heard.push('a changed')),
      signals.onEnded('b', () => heard.push('b ended')),
    ];
    signals.changed('a');
    signals.ended('a');
    expect(heard).toEqual(['a changed', 'a ended', 'a changed']);
    for (const stop of stops) stop();
    signals.ended('a');
    signals.ended('b');
    expect(heard).toHaveLength(3);
  });

  it('let a listener stop itself while it is called', () => {
    const signals = new Signals();
    let calls = 0;
    const stop = signals.onCancel('w', () => {
      calls++;
      stop();
    });
    signals.onCancel('w', () => calls++);
    signals.cancel('w');
    signals.cancel('w');
    expect(calls).toBe(3);
  });

  it('carry what is ready, due and leased', () => {
    const signals = new Signals();
    const heard: unknown[] = [];
    signals.onReady((...ready) => heard.push(ready));
    signals.onDue((atMs) => heard.push(atMs));
    signals.onLease((...lease) => heard.push(lease));
    signals.ready('q', 'microvm');
    signals.ready('q', 'microvm', 7);
    signals.due(5);
    signals.lease('w', null);
    expect(heard).toEqual([['q', 'microvm', 1], ['q', 'microvm', 7], 5, ['w', null]]);
  });
});
