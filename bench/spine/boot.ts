/** Cold boot: spawn of QEMU to the agent's hello, beside the command line one would write first. */
import { spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { agentFd, qemuArguments } from '../../src/hypervisor/qemu/arguments.ts';
import type { Image } from '../../src/image/image-store.ts';
import { realClock } from '../../src/platform/clock.ts';
import { GuestSession } from '../../src/vm/guest-session.ts';
import { quantile, type Report } from '../lib/report.ts';
import { bareRun, baseImage, hostTscKhz } from './bare-vm.ts';

const boots = 20;
const naiveBoots = 10;
/** A boot that takes longer than this never ends. */
const hangMs = 15_000;

export async function benchBoot(report: Report): Promise<void> {
  const image = await baseImage();
  const tscKhz = await hostTscKhz();
  const hellos: number[] = [];
  for (let boot = 0; boot < boots; boot++) hellos.push((await bareRun(image, tscKhz)).helloMs);
  const naive: (number | undefined)[] = [];
  for (let boot = 0; boot < naiveBoots; boot++) naive.push(await naiveHello(image));
  const ended = naive.filter((ms) => ms !== undefined);
  for (const [name, share] of [
    ['p50', 0.5],
    ['p95', 0.95],
  ] as const) {
    const title = `cold boot to hello, ${name} (baseline: naive command line)`;
    const baseline = ended.length === 0 ? undefined : quantile(ended, share);
    report.add(title, 'ms', quantile(hellos, share), baseline);
  }
  report.add(
    `boots of ${naiveBoots} that hang with the naive command line`,
    'boots',
    naive.length - ended.length,
  );
}

/** The same devices and kernel, without any of the switches that make the boot fast or sure. */
function naiveArguments(image: Image): string[] {
  const spec = {
    id: 'naive',
    memoryMiB: 128,
    vcpus: 1,
    kernelPath: image.kernelPath,
    initrdPath: image.initrdPath,
    rootPath: image.rootPath,
    rootFsType: image.rootFsType,
    runDir: '.',
  };
  const args = qemuArguments(spec, 'tcg');
  const drop = (name: string): void => void args.splice(args.indexOf(name), 2);
  const set = (name: string, value: string): void => void args.splice(args.indexOf(name) + 1, 1, value);
  drop('-bios');
  set('-machine', 'microvm');
  set('-accel', 'tcg');
  set('-append', `console=ttyS0 reboot=t panic=-1 vmroot=/dev/vda,${image.rootFsType}`);
  return args;
}

async function naiveHello(image: Image): Promise<number | undefined> {
  const start = performance.now();
  const child = spawn('qemu-system-x86_64', naiveArguments(image), {
    // The last two are the agent's channel and QMP's; without either QEMU would not start at all.
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  const channel = child.stdio[agentFd];
  if (!(channel instanceof Duplex)) throw new Error('no channel');
  channel.on('error', () => undefined);
  try {
    await new GuestSession({ channel, clock: realClock, token: 'naive' }).hello(hangMs);
    return performance.now() - start;
  } catch (error) {
    process.stderr.write(`  a naive boot: ${String(error)}\n`);
    return undefined;
  } finally {
    child.kill('SIGKILL');
  }
}
