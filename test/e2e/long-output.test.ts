import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Site } from '../lib/system.ts';

const mib = 1_024 ** 2;

describe('output past the limit', () => {
  let site: Site;
  beforeAll(async () => {
    site = await Site.makeMeasured();
    await site.start('up', { BLIXARD_LOG_KEEP: '1' });
  });
  afterAll(() => site.remove());

  it('keeps head and tail, and a marker says how much is missing between them', async () => {
    const client = site.client();
    const last = 1_000_000;
    const job = await client.call('submitJob', { body: { command: ['seq', '1', String(last)] } });
    await client.call('getJob', { params: { id: job.id }, query: { waitMs: 60_000 } });
    const { attempts } = await client.call('listAttempts', { params: { id: job.id } });
    const written = attempts[0]?.logBytes ?? 0;
    const missing = attempts[0]?.logMissingBytes ?? 0;
    expect(written).toBe(
      Array.from({ length: last }, (_, i) => String(i + 1).length + 1).reduce((a, b) => a + b),
    );
    await client.close();

    const read = await site.cli(['job', 'logs', job.id]);
    const text = read.stdout.toString();
    expect(text.startsWith('1\n2\n3\n')).toBe(true);
    expect(text.endsWith(`${last - 1}\n${last}\n`)).toBe(true);
    expect(text.length).toBeGreaterThan(0.8 * mib);
    expect(text.length).toBeLessThan(1.2 * mib);
    expect(text.length + missing).toBe(written);
    expect(read.stderr).toContain('not kept');
  });

  it('what is within the limit is all there, in order', async () => {
    const live = await site.cli(['run', '--', 'seq', '1', '100000']);
    const lines = live.stdout.toString().trimEnd().split('\n');
    expect(lines.length).toBe(100_000);
    expect(lines.every((line, index) => line === String(index + 1))).toBe(true);
  });
});
