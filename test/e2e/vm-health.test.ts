import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestExecution, waitUntil } from '../../src/executor/executor.suite.ts';
import { MicrovmExecutor } from '../../src/executor/microvm-executor.ts';
import { isRunning } from '../../src/hypervisor/process-table.ts';
import { ImageStore } from '../../src/image/image-store.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import { openHostVms } from '../../src/worker/host-vms.ts';
import { imagesDir } from '../lib/system.ts';

let dataDir = '';
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'blixard-health-'));
});
afterAll(() => rm(dataDir, { recursive: true }));

it('a busy guest with nobody to take its output is well, one whose QEMU was stopped is vm_crashed', async () => {
  const health = { pingEveryMs: 500, pingTimeoutMs: 1_500 };
  const vms = await openHostVms({
    config: { dataDir, accel: 'auto', vmsMax: 1, health },
    images: new ImageStore({ dir: imagesDir }),
    env: {},
    clock: realClock,
    random: realRandom,
    ids: makeIds(realClock, realRandom),
    log: silentLog,
  });
  const executor = new MicrovmExecutor({ vms, clock: realClock, log: silentLog });
  const script = 'while :; do :; done & while :; do echo full; done';
  const execution = new TestExecution({ command: ['sh', '-c', script] });
  let takeOutput = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    takeOutput = resolve;
  });
  execution.onOutput = () => held;
  const running = executor.run(execution);
  await waitUntil(() => execution.written.stdout.length > 0);
  const [vm] = vms.list();
  if (vm === undefined) throw new Error('the VM is not told');
  for (let round = 0; round < 5; round++) await vm.ping(10_000);
  takeOutput();
  vms.measure(vm);
  process.kill(vm.process.pid, 'SIGSTOP');
  const stoppedMs = realClock.monotonicMs();
  await vm.exited;
  expect(realClock.monotonicMs() - stoppedMs).toBeLessThan(30_000);
  expect([vm.state, isRunning(vm.process)]).toEqual(['failed', false]);
  await waitUntil(() => vms.count() === 0);
  expect(await readdir(join(dataDir, 'vms'))).toEqual([]);
  const outcome = await running;
  expect(outcome).toMatchObject({ reason: 'vm_crashed', exitCode: null });
  expect(outcome.message).toContain('unhealthy, no answer to 3 pings in a row');
  expect(outcome.vm?.hostMemoryPeakKiB).toBeGreaterThan(20_000);
  expect(outcome.vm?.hostCpuMs).toBeGreaterThan(0);
  await vms.close();
});
