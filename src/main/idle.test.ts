import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { realClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { makeIds, realRandom } from '../platform/random.ts';
import { loadConfig } from './config.ts';
import { startUp, type UpNode } from './up.ts';

const heartbeats = 5;
const heartbeatMs = 200;

let dir: string;
let node: UpNode;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'blixard-idle-'));
  const flags = { 'data-dir': dir, port: '0', heartbeat: `${heartbeatMs}ms` };
  const { values: config } = await loadConfig({ flags, env: {}, cwd: dir });
  node = await startUp({
    config,
    version: '0',
    env: { SKIP_VM_MANAGER: '1' },
    clock: realClock,
    random: realRandom,
    ids: makeIds(realClock, realRandom),
    log: silentLog,
  });
});
afterEach(async () => {
  await node.kill();
  await rm(dir, { recursive: true, force: true });
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('a node with nothing to do', () => {
  it('asks the store for nothing, and writes one renewal of its lease for each heartbeat', async () => {
    // The first claim, and what the starts of its parts look at, are over.
    await sleep(2 * heartbeatMs);
    const before = node.storeStats();
    const startMs = performance.now();
    await sleep(heartbeats * heartbeatMs);
    const after = node.storeStats();
    const passed = Math.floor((performance.now() - startMs) / heartbeatMs);
    expect(after.queries - before.queries).toBe(0);
    const renewals = after.statements - before.statements;
    // At least some, so that the test does not pass on a node that is dead; at most one for each, and one under way.
    expect(renewals).toBeGreaterThanOrEqual(2);
    expect(renewals).toBeLessThanOrEqual(passed + 1);
    expect(after.commits - before.commits).toBe(renewals);
  });
});
