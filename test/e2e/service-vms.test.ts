import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImageStore } from '../../src/image/image-store.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import type { VmService } from '../../src/vm/vm-service.ts';
import { openHostVms } from '../../src/worker/host-vms.ts';
import { imagesDir, until } from '../lib/system.ts';
import { baseImage } from './real-vms.ts';

const order = {
  image: 'base',
  memoryMiB: 128,
  vcpus: 1,
  isolation: 'shared',
  queue: 'q',
  tenant: 't',
} as const;

let dataDir = '';
let vms: VmService;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'blixard-service-'));
  await baseImage();
  vms = await openHostVms({
    config: {
      ...{ dataDir, accel: 'auto', vmsMax: 4 },
      services: {
        ...{ min: 0, target: 0, max: 2, coolDownMs: 600_000 },
        ...{ jobsMax: 100, uptimeMaxMs: 600_000, memoryPercentMax: 90 },
      },
    },
    images: new ImageStore({ dir: imagesDir }),
    env: {},
    clock: realClock,
    random: realRandom,
    ids: makeIds(realClock, realRandom),
    log: silentLog,
  });
  expect(vms.unavailableReason()).toBeNull();
});
afterAll(async () => {
  await vms.close();
  expect(await readdir(join(dataDir, 'vms'))).toEqual([]);
  await rm(dataDir, { recursive: true });
});

/** A job of the lane: which VM it had, how that was started, and what the script printed. */
async function job(script: string) {
  const vm = await vms.start(order, new AbortController().signal);
  let text = '';
  const spec = {
    argv: ['sh', '-c', script],
    env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
    cwd: '/root',
    uid: 0,
  };
  const output = async (_: string, data: Buffer): Promise<void> => {
    text += data.toString();
  };
  const { code } = await vm.exec(spec, { stdin: Buffer.alloc(0), output }).exited;
  void vms.release(vm.id, { inOrder: true });
  return { id: vm.id, facts: vm.facts, code, lines: text.trim().split('\n').filter(Boolean) };
}

/** What a job can see of those before it. */
const look = [
  'for f in /work /root /tmp /dev/shm /run /var/tmp; do ls -A $f 2>/dev/null | sed "s,^,$f/,"; done',
  'cat /etc/mark 2>/dev/null',
  'ls -d /opt/made 2>/dev/null',
  'all=$(ls -l /proc/[0-9]*/exe 2>/dev/null); echo "$all" | sed -n "s/.* -> //p"',
  'wc -l < /proc/mounts',
  'ls /dev | sort | tr "\\n" " "; echo',
  'cat /proc/sysvipc/shm | wc -l; cat /proc/net/unix | wc -l',
  'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/domainname',
].join('; ');

/** Leaves behind what it can: a daemon that ignores signals, files everywhere, a mount, names, sockets, settings. */
const litter = [
  'echo x > /work/mark; echo x > /tmp/mark; echo x > /etc/mark; echo x > /root/mark; echo x > /dev/shm/mark',
  'mkdir -p /run/blixard/1-1 /opt/made /var/tmp; echo x > /run/blixard/1-1/result.json; echo x > /var/tmp/mark',
  'rm -rf /usr/bin/uniq /etc/hostname; chmod 700 /usr/bin',
  'mount -t tmpfs litter /opt/made; hostname evil; echo evil > /proc/sys/kernel/domainname',
  'echo 1 > /proc/sys/net/ipv4/ip_forward; ip link set lo down',
  'cat > /tmp/daemon <<"E"\ntrap "" TERM HUP INT QUIT\nwhile :; do date >> /tmp/alive; sleep 0.05; done\nE',
  '(setsid sh -c "setsid sh /tmp/daemon >/dev/null 2>&1 </dev/null &" &)',
  'unshare -m sh -c "mount -t tmpfs hidden /opt; exec sleep 1000" >/dev/null 2>&1 </dev/null &',
  'sleep 0.3; test -s /tmp/alive && echo alive',
].join('\n');

describe('a service VM', () => {
  it('shows a job nothing of the one before, whatever that left', async () => {
    const clean = await job(look);
    expect(clean.facts).toMatchObject({ start: 'boot', jobsServed: 0 });
    const littered = await job(litter);
    expect(littered.lines.at(-1)).toBe('alive');
    const after = await job(look);
    expect([littered.id, after.id]).toEqual([clean.id, clean.id]);
    expect(after.facts).toMatchObject({ start: 'service', jobsServed: 2 });
    expect(after.lines).toEqual(clean.lines);
  });

  it('is thrown away when a job leaves what no reset undoes', async () => {
    const first = await job('echo 7 > /proc/sys/vm/swappiness');
    const second = await job('cat /proc/sys/vm/swappiness');
    expect(second.id).not.toBe(first.id);
    expect(second.lines).toEqual(['60']);
    await until('the last one waits', async () => vms.list().length === 0);
    expect(vms.told()).toMatchObject([{ state: 'idle', jobsServed: 1 }]);
  });
});
