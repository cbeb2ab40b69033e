import { describe, expect, it } from 'vitest';
import { limits } from '../domain/limits.ts';
import { json, lost, scripted } from './scripted.suite.ts';

const group = (finished: boolean) => () => json(200, { name: 'g', finished });

describe('a wait for a group', () => {
  it('goes on while the server restarts, for longer than one call is tried', async () => {
    const away = Array.from({ length: limits.callTries + 1 }, () => lost);
    const { client, requests } = scripted(group(false), ...away, group(false), group(true));
    expect(await client.waitGroup('g')).toMatchObject({ finished: true });
    expect(requests).toHaveLength(away.length + 3);
  });

  it('rejects as a call does when the server was never there, or says what is wrong', async () => {
    const never = scripted(lost);
    await expect(never.client.waitGroup('g')).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    expect(never.requests).toHaveLength(limits.callTries);
    const refused = scripted(group(false), () => json(404, {}));
    await expect(refused.client.waitGroup('g')).rejects.toMatchObject({ code: 'SERVER_ANSWER_INVALID' });
    expect(refused.requests).toHaveLength(2);
  });

  it('ends with its signal, and with its client, also between two calls', async () => {
    const { client } = scripted(group(false), lost);
    const signal = AbortSignal.timeout(500);
    await expect(client.waitGroup('g', { signal })).rejects.toMatchObject({ name: 'AbortError' });
    const other = scripted(group(false), lost).client;
    const waiting = other.waitGroup('g');
    setTimeout(() => void other.close(), 500);
    await expect(waiting).rejects.toMatchObject({ code: 'CLIENT_CLOSED' });
  });
});
