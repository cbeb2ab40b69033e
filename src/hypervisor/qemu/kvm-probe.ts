/** Proves by a toy guest that KVM works, as far as a toy can: device, processor, one guest that runs to its end. */
import { once } from 'node:events';
import { mkdtemp, open, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { problemOf } from '../../domain/errors.ts';
import { limits } from '../../domain/limits.ts';
import { formatDurationMs } from '../../domain/units.ts';
import type { Clock } from '../../platform/clock.ts';
import { removeTree } from '../../platform/files.ts';
import { TailBuffer } from '../tail-buffer.ts';
import { spawnBound } from './spawn.ts';

/** What the probe found, with the reason in words. */
export interface KvmVerdict {
  readonly usable: boolean;
  readonly reason: string;
}

/** Where to look; a test looks elsewhere. */
export interface KvmProbeDeps {
  readonly program: string;
  readonly clock: Clock;
  readonly devicePath?: string;
  readonly cpuinfoPath?: string;
  /** Acceleration of the toy guest; a test proves the toy itself under tcg. */
  readonly toyAccel?: 'kvm' | 'tcg';
}

/** A working KVM needs about 30 ms. */
const toyLimitMs = 1_500;
/** The toy writes 0x21 to the exit port; QEMU then ends with twice that plus one. */
const toyExitCode = 0x21 * 2 + 1;

/** Never rejects: whatever goes wrong is the reason why KVM is not usable. */
export async function probeKvm(deps: KvmProbeDeps): Promise<KvmVerdict> {
  const { devicePath = '/dev/kvm', cpuinfoPath = '/proc/cpuinfo' } = deps;
  try {
    await (await open(devicePath, 'r+')).close();
  } catch (error) {
    return no(`${devicePath} cannot be opened for reading and writing (${problemOf(error)})`);
  }
  try {
    if (!hasVirtualisation(await readFile(cpuinfoPath, 'utf8'))) {
      return no(
        `${devicePath} is there, but the processor shows neither vmx nor svm: guests may hang under it`,
      );
    }
    return await runToy(deps);
  } catch (error) {
    return no(`the test guest could not be started: ${problemOf(error)}`);
  }
}

function no(reason: string): KvmVerdict {
  return { usable: false, reason };
}

function hasVirtualisation(cpuinfo: string): boolean {
  return /^flags\s*:.*\b(vmx|svm)\b/m.test(cpuinfo);
}

async function runToy({ program, clock, toyAccel = 'kvm' }: KvmProbeDeps): Promise<KvmVerdict> {
  const folder = await mkdtemp(join(tmpdir(), 'blixard-kvm-'));
  try {
    const firmware = join(folder, 'toy.rom');
    await writeFile(firmware, toyFirmware());
    const child = spawnBound(program, toyArguments(firmware, toyAccel), {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const words = new TailBuffer({ bytesMax: limits.vmmStderrBytes });
    child.stderr?.on('data', (chunk: Buffer) => words.push(chunk));
    const limit = clock.after(toyLimitMs, () => child.kill('SIGKILL'));
    const [code, signal] = await once(child, 'close').finally(() => limit.cancel());
    if (code === toyExitCode) return { usable: true, reason: `a test guest ran under ${toyAccel}` };
    if (signal === 'SIGKILL')
      return no(`a test guest did not end within ${formatDurationMs(toyLimitMs)} under ${toyAccel}`);
    return no(
      `a test guest failed under ${toyAccel}: exit code ${code}, ${words.text().trim() || 'no message'}`,
    );
  } finally {
    await removeTree(folder);
  }
}

/** 64 KiB that end at 4 GiB, as the processor expects them: `mov al,0x21; out 0xf4,al; hlt` and the jump to it. */
function toyFirmware(): Buffer {
  const hlt = 0xf4;
  const rom = Buffer.alloc(64 * 1024, hlt);
  rom.set([0xb0, 0x21, 0xe6, 0xf4, hlt], 0);
  rom.set([0xe9, 0x0d, 0x00], 0xfff0);
  return rom;
}

function toyArguments(firmware: string, accel: string): string[] {
  return [
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    ...[
      '-machine',
      'microvm,acpi=off,rtc=off,pit=off,pic=off',
      '-accel',
      accel,
      '-m',
      '8',
      '-bios',
      firmware,
    ],
    ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=1'],
  ];
}
