import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BlixardClient } from '../../src/client/index.ts';
import type { Attempt, SubmitJob } from '../../src/contract/job.ts';
import { isArtifactName } from '../../src/domain/artifact-name.ts';
import { cgroupsOf, vmFoldersUnder } from '../lib/leftovers.ts';
import { type Process, Site, until, vmmsOf } from '../lib/system.ts';
import { untruths } from '../lib/truth.ts';
import { baseImage, builtImage } from './real-vms.ts';

/** Ticks for as long as the attack lasts, in another VM of the same host. */
const neighbour: SubmitJob = {
  command: ['sh', '-c', 'for i in $(seq 30); do echo tick $i; sleep 0.2; done'],
};
const ticks = Array.from({ length: 30 }, (_, i) => `tick ${i + 1}\n`).join('');

interface Attack {
  readonly name: string;
  readonly script: string;
  readonly timeoutMs?: number;
  /** Default: 128 MiB. */
  readonly more?: Partial<SubmitJob>;
  /** Reasons that tell the truth of it, one of them. */
  readonly reasons: readonly string[];
  readonly message?: RegExp;
}

/** Everywhere a command may write, and where its memory, its image or its VM is another. */
function fullDisks(): Attack[] {
  const inside = ['/work', '/tmp', '/root', '/dev/shm'].map((folder) => ({ folder, memoryMiB: 128 }));
  const others = [
    { folder: '/work', memoryMiB: 256 },
    { folder: '/work', memoryMiB: 128, isolation: 'shared' as const },
    { folder: '/work', memoryMiB: 256, image: 'python' },
  ];
  return [...inside, ...others].map(({ folder, ...more }) => ({
    name: `a full ${folder}, ${Object.values(more).join(', ')}`,
    script: `head -c 10000000000 /dev/zero > ${folder}/full`,
    more,
    reasons: ['disk_full'],
  }));
}

const attacks: readonly Attack[] = [
  {
    name: 'endless serial output',
    script: 'yes "$(head -c 1000 /dev/zero | tr "\\0" x)" > /dev/ttyS0',
    timeoutMs: 5_000,
    reasons: ['timeout'],
  },
  {
    name: 'endless kernel messages',
    script: 'while :; do echo flood > /dev/kmsg; done',
    timeoutMs: 5_000,
    reasons: ['timeout'],
  },
  {
    name: 'a fork bomb',
    script: 'bomb() { bomb | bomb & }; bomb; sleep 600',
    timeoutMs: 8_000,
    reasons: ['timeout', 'oom'],
  },
  ...fullDisks(),
  ...[128, 256].map((memoryMiB) => ({
    name: `a process that takes all of ${memoryMiB} MiB`,
    script: 'tail /dev/zero; exit 1',
    more: { memoryMiB },
    reasons: ['oom'],
  })),
  {
    name: 'a kernel panic',
    script: 'echo c > /proc/sysrq-trigger; sleep 600',
    reasons: ['vm_crashed'],
    message: /panic/i,
  },
  { name: 'a reboot', script: 'echo b > /proc/sysrq-trigger; sleep 600', reasons: ['vm_crashed'] },
  {
    name: 'a guest that powers itself off',
    script: 'echo o > /proc/sysrq-trigger; sleep 600',
    reasons: ['vm_crashed'],
  },
  {
    name: 'a command that ignores SIGTERM',
    script: "trap '' TERM INT HUP; while :; do sleep 1; done",
    timeoutMs: 2_000,
    reasons: ['timeout'],
  },
  {
    name: 'a channel that is torn off',
    script: `cd /sys/bus/virtio/drivers/virtio_console
      for device in virtio*; do echo $device > unbind; done
      sleep 600`,
    timeoutMs: 20_000,
    reasons: ['vm_crashed', 'timeout'],
  },
];

/** What an agent says that has been taken over. */
const lies = ['giant', 'broken', 'header-without-end', 'two-ends'];

describe('a hostile guest', () => {
  let site: Site;
  let up: Process;
  let client: BlixardClient;
  let agentBase64: string;
  const accepted: string[] = [];

  beforeAll(async () => {
    await baseImage();
    await builtImage({ image: 'python' });
    const dir = await mkdtemp(join(tmpdir(), 'blixard-hostile-'));
    const source = fileURLToPath(new URL('programs/hostile-agent.c', import.meta.url));
    execFileSync('gcc', ['-static', '-Os', '-s', '-Wall', '-Werror', '-o', join(dir, 'agent'), source]);
    agentBase64 = (await readFile(join(dir, 'agent'))).toString('base64');
    await rm(dir, { recursive: true });
    site = await Site.makeMeasured();
    up = await site.start('up', {
      BLIXARD_SLOTS: '2',
      BLIXARD_STOP_GRACE: '1s',
      BLIXARD_BOOT_TIMEOUT: '60s',
      BLIXARD_SERVICE_IDLE: '2s',
    });
    client = site.client();
  });
  afterAll(() => site.remove());

  /** Runs both beside one another; gives the first attempt of the attack, and ends its job when that is over. */
  const attack = async (body: SubmitJob): Promise<Attempt> => {
    const beside = await client.call('submitJob', { body: neighbour });
    const job = await client.call('submitJob', { body });
    accepted.push(beside.id, job.id);
    const first = await until(
      'the first attempt has ended',
      async () => {
        const { attempts } = await client.call('listAttempts', { params: { id: job.id } });
        return attempts[0]?.state === 'ended' && attempts[0];
      },
      120_000,
    );
    // What is told as a fault of the host is tried again.
    await client.call('cancelJob', { params: { id: job.id } }).catch(() => undefined);
    const other = await client.call('getJob', { params: { id: beside.id }, query: { waitMs: 60_000 } });
    expect(other).toMatchObject({ state: 'completed', exitCode: 0, attempt: 1 });
    const { records } = await client.readLogs(beside.id, { attempt: 1 });
    expect(Buffer.concat(records.map((record) => record.data)).toString()).toBe(ticks);
    await hostIsWell();
    return first;
  };

  const hostIsWell = async (): Promise<void> => {
    expect(up.hasEnded).toBe(false);
    const status = await readFile(`/proc/${up.pid}/status`, 'utf8');
    expect(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1_024).toBeLessThan(400);
    await until('no VM is left', async () => (await vmmsOf(up.pid)).length === 0);
    await until('no folder is left', async () => (await vmFoldersUnder(site.dataDir)).length === 0);
  };

  it.each(attacks)('$name', async ({ script, timeoutMs = 60_000, more, reasons, message }) => {
    const command = ['sh', '-c', script];
    const ended = await attack({ command, timeoutMs, memoryMiB: 128, ...more });
    expect(reasons, ended.message ?? undefined).toContain(ended.reason);
    if (message !== undefined) expect(ended.message).toMatch(message);
  });

  it.each(lies)('an agent that was taken over and lies: %s', async (lie) => {
    const script = `cat > /tmp/agent && chmod +x /tmp/agent && exec /tmp/agent ${lie}`;
    const ended = await attack({
      command: ['sh', '-c', script],
      stdinBase64: agentBase64,
      timeoutMs: 15_000,
    });
    expect(['vm_crashed', 'timeout']).toContain(ended.reason);
    if (lie !== 'header-without-end') expect(ended.reason).toBe('vm_crashed');
  });

  it('a clock that is set to 1970 changes no time of the host', async () => {
    const startedAtMs = Date.now();
    const ended = await attack({ command: ['sh', '-c', 'date -s @0; sleep 1; date +%s'] });
    expect(ended).toMatchObject({ reason: 'exit', exitCode: 0 });
    expect(ended.startedAtMs).toBeGreaterThanOrEqual(startedAtMs);
    expect(ended.endedAtMs).toBeGreaterThanOrEqual(ended.startedAtMs ?? 0);
    expect(ended.usage?.wallMs).toBeGreaterThan(900);
    expect(ended.usage?.wallMs).toBeLessThan(60_000);
  });

  it('names of files that lead out of their folder lead nowhere', async () => {
    const script = `cd $BLIXARD_ARTIFACTS
      echo fine > fine; echo odd > '..\\..\\odd'; echo dots > ...; echo line > "$(printf 'a\\nb')"
      echo long > $(head -c 255 /dev/zero | tr '\\0' n)
      ln -s /etc/passwd link; ln -s / root; mkfifo fifo; mknod zero c 1 5; mkdir -p deep/..x; echo in > deep/..x/y
      ln -s /dev/zero $BLIXARD_RESULT; exit 0`;
    const ended = await attack({ command: ['sh', '-c', script] });
    expect(ended).toMatchObject({ reason: 'exit', exitCode: 0 });
    const { artifacts } = await client.call('listArtifacts', { params: { id: ended.jobId } });
    const names = artifacts.map(({ name }) => name);
    for (const name of names) expect(isArtifactName(name), name).toBe(true);
    expect(names).toEqual(expect.arrayContaining(['fine', 'deep/..x/y']));
    for (const name of ['link', 'root', 'fifo', 'zero']) expect(names).not.toContain(name);
    const escaped = await client
      .call('submitJob', { body: { command: ['true'], artifacts: ['../../etc/passwd'] } })
      .catch((error) => error);
    expect(escaped).toMatchObject({ code: 'VALIDATION_FAILED' });
  });

  it('and after all that nothing is left, and everything told is true', async () => {
    const vmIds = await Promise.all(
      accepted.map(async (id) => {
        const { attempts } = await client.call('listAttempts', { params: { id } });
        return attempts.flatMap(({ vm }) => (vm === null ? [] : [vm.vmId]));
      }),
    );
    expect(await cgroupsOf(vmIds.flat())).toEqual([]);
    await client.close();
    expect(await up.end('SIGTERM')).toBe(0);
    expect(await readdir(join(site.dataDir, 'vms'))).toEqual([]);
    expect(await untruths({ dataDir: site.dataDir, accepted })).toEqual([]);
  });
});
