import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { id, json, scripted } from './scripted.suite.ts';

describe('what a call is given', () => {
  it('may be a signal that many others share, without a warning of a leak', async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on('warning', warned);
    const { client } = scripted(() => new Promise(() => undefined));
    const caller = new AbortController();
    for (let n = 0; n < 20; n++) {
      void client.call('getHealth', { signal: caller.signal });
      void client.followEvents({ signal: caller.signal })[Symbol.asyncIterator]().next();
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off('warning', warned);
    expect(warnings).toEqual([]);
    expect(getEventListeners(caller.signal, 'abort').length).toBeGreaterThan(10);
  });

  it('may be a signal of another make than that of Node, such as jsdom has', async () => {
    const listening = new Set<() => void>();
    const signal = {
      aborted: false,
      addEventListener: (_: string, act: () => void) => listening.add(act),
      removeEventListener: (_: string, act: () => void) => listening.delete(act),
    } as unknown as AbortSignal;
    const { client } = scripted(() => json(200, { id }));
    expect(await client.call('getJob', { params: { id }, signal })).toEqual({ id });
    expect(listening.size).toBe(0);
  });

  it('may be headers whose names are written in any way', async () => {
    const { client, requests } = scripted(() => json(200, { id }));
    const headers: Record<string, string> = { 'Idempotency-Key': 'mine' };
    await client.call('retryJob', { params: { id }, headers });
    expect(requests[0]?.headers).toEqual({ 'content-type': 'application/json', 'idempotency-key': 'mine' });
  });
});
