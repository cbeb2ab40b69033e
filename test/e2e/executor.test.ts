import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diskMiBMax } from '../../src/domain/vm-size.ts';
import { executorSuite, TestExecution, waitUntil } from '../../src/executor/executor.suite.ts';
import { guestLimitsSuite } from '../../src/executor/guest-limits.suite.ts';
import { MicrovmExecutor } from '../../src/executor/microvm-executor.ts';
import { ImageStore } from '../../src/image/image-store.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import type { VmService } from '../../src/vm/vm-service.ts';
import { openHostVms } from '../../src/worker/host-vms.ts';
import { imagesDir } from '../lib/system.ts';

let dataDir = '';
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'blixard-executor-'));
});
afterAll(() => rm(dataDir, { recursive: true }));

/** The host is proven once; later calls find that in `host.json`. */
async function openVms(): Promise<VmService> {
  const vms = await openHostVms({
    config: { dataDir, accel: 'auto', vmsMax: 2 },
    images: new ImageStore({ dir: imagesDir }),
    env: {},
    clock: realClock,
    random: realRandom,
    ids: makeIds(realClock, realRandom),
    log: silentLog,
  });
  expect(vms.unavailableReason()).toBeNull();
  return vms;
}

const executorOf = (vms: VmService): MicrovmExecutor =>
  new MicrovmExecutor({ vms, clock: realClock, log: silentLog, stopGraceMs: 500 });

const shell = (script: string): string[] => ['sh', '-c', script];

/** Long texts do not fit into one argument of a command. */
const writeArtifact = (name: string, text: string): string => {
  const write =
    text.length > 1_000 ? `head -c ${text.length} /dev/zero | tr '\\0' ${text[0]}` : `printf %s '${text}'`;
  return `mkdir -p "$(dirname "$BLIXARD_ARTIFACTS/${name}")"; ${write} > "$BLIXARD_ARTIFACTS/${name}"`;
};

executorSuite('MicrovmExecutor over QEMU', async () => {
  const vms = await openVms();
  return {
    executor: executorOf(vms),
    commands: {
      exit: (code) => shell(`exit ${code}`),
      signal: (number) => shell(`kill -${number} $$`),
      print: (text) => ['echo', text],
      printError: (text) => shell(`echo '${text}' >&2`),
      cat: () => ['cat'],
      sleepLong: () => ['sleep', '600'],
      stubborn: () => shell("trap '' TERM; while :; do sleep 1; done"),
      flood: (bytes) => ['head', '-c', String(bytes), '/dev/zero'],
      tell: ({ percent, message = '', result, artifacts = {} }) =>
        shell(
          [
            ...(percent === undefined ? [] : [`echo '${percent} ${message}' > $BLIXARD_PROGRESS`]),
            ...(result === undefined ? [] : [`printf %s '${result}' > $BLIXARD_RESULT`]),
            ...Object.entries(artifacts).map(([name, text]) => writeArtifact(name, text)),
            'exit 0',
          ].join('\n'),
        ),
      showInput: (name) => shell(`cat "$BLIXARD_INPUTS/${name}"`),
    },
    live: async () => vms.count() + (await readdir(join(dataDir, 'vms'))).length,
    close: () => vms.close(),
  };
});

describe('limits of a job in a real guest', () => {
  let vms: VmService;
  beforeAll(async () => {
    vms = await openVms();
  });
  afterAll(() => vms.close());

  guestLimitsSuite(
    (mib, processes) =>
      shell(
        [
          `head -c ${mib}m /dev/zero > /zeros || exit 1`,
          `for n in $(seq ${processes}); do sleep 20 > /dev/null 2>&1 & done`,
        ].join('\n'),
      ),
    () => executorOf(vms),
  );
});

it('a real guest: its own kernel, its memory, its user, its folder', async () => {
  const vms = await openVms();
  const execution = new TestExecution({
    command: shell('uname -s; id -u; pwd; echo $HOME; grep MemTotal /proc/meminfo; exit 7'),
    memoryMiB: 192,
    uid: 1000,
    cwd: '/tmp',
  });
  const outcome = await executorOf(vms).run(execution);
  expect(outcome).toMatchObject({ reason: 'exit', exitCode: 7 });
  const [kernel, uid, cwd, home, memory] = execution.text('stdout').split('\n');
  expect([kernel, uid, cwd, home]).toEqual(['Linux', '1000', '/tmp', '/']);
  const totalKiB = Number(/\d+/.exec(memory ?? '')?.[0]);
  expect(totalKiB).toBeGreaterThan(128 * 1024);
  expect(totalKiB).toBeLessThan(192 * 1024);
  expect(outcome.vm).toMatchObject({ hypervisor: 'qemu', start: 'boot' });
  expect(outcome.vm?.bootMs).toBeGreaterThan(0);
  await vms.close();
});

it('a full disk is disk_full, wherever it was filled, and room that was promised is there', async () => {
  const vms = await openVms();
  const ends = async (script: string, diskMiB: number): Promise<string> => {
    const ended = await executorOf(vms).run(
      new TestExecution({ command: shell(script), memoryMiB: 128, diskMiB }),
    );
    return `${ended.reason}: ${ended.message}`;
  };
  const fill = (path: string, mib: number): string => `dd if=/dev/zero of=${path} bs=1M count=${mib}`;
  const full = 'disk_full: it ended with exit code 1, and the disk of the microVM was full';
  // More than a submit may ask for.
  const cut = 'its microVM cannot hold 100 MiB of files, and had less room';
  expect(await ends(fill('/work/x', 200), 100)).toBe(`${full}; ${cut}`);
  const readAll = 'find /usr /bin /lib -type f | xargs cat > /dev/null 2>&1';
  const largest = diskMiBMax(128);
  expect(await ends(`${readAll}; ${fill('/root/x', largest - 1)}`, largest)).toBe('exit: null');
  expect(await ends(`${fill('/tmp/x', 9)}; ${fill('/root/x', 9)}`, 16)).toBe(full);
  await vms.close();
});

it('more memory than the guest has is oom, and a guest that panics is vm_crashed with its console', async () => {
  const vms = await openVms();
  const hungry = new TestExecution({
    command: shell("sh -c 'a=x; while :; do a=$a$a; done'; exit 1"),
    memoryMiB: 128,
  });
  const struck = 'the out-of-memory killer of the microVM struck';
  expect(await executorOf(vms).run(hungry)).toMatchObject({ reason: 'oom', exitCode: null, message: struck });
  const panic = new TestExecution({ command: shell('echo c > /proc/sysrq-trigger; sleep 60') });
  const crashed = await executorOf(vms).run(panic);
  expect(crashed.reason).toBe('vm_crashed');
  expect(crashed.message).toContain('Kernel panic - not syncing: sysrq triggered crash');
  await waitUntil(() => vms.count() === 0);
  await vms.close();
});
