import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestTasks } from '../../src/contract/guest.ts';
import { ImageStore } from '../../src/image/image-store.ts';
import { realClock } from '../../src/platform/clock.ts';
import { silentLog } from '../../src/platform/log.ts';
import { makeIds, realRandom } from '../../src/platform/random.ts';
import type { MicroVm } from '../../src/vm/micro-vm.ts';
import type { VmService } from '../../src/vm/vm-service.ts';
import { caseEnv, comparable, runCase, type ZygoteCase } from '../../src/vm/zygote.suite.ts';
import { nodeCases } from '../../src/vm/zygote-node.suite.ts';
import { pythonCases } from '../../src/vm/zygote-python.suite.ts';
import { openHostVms } from '../../src/worker/host-vms.ts';
import { imagesDir } from '../lib/system.ts';
import { builtImage } from './real-vms.ts';

const never = new AbortController().signal;
const io = { stdin: new Uint8Array(), output: async () => undefined };
/** Each case starts two VMs; the unit tests run all of them without. */
const casesOfEach = 20;
const clones = 12;

let dataDir = '';
let vms: VmService;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'blixard-zygotes-'));
  for (const image of ['python', 'node']) await builtImage({ image });
  vms = await openHostVms({
    config: {
      ...{ dataDir, accel: 'auto', vmsMax: 8 },
      fastStarts: {
        ...{ templates: 'on', templateBytesMax: 1024 ** 3 },
        pool: { min: 0, target: 0, max: 0, memoryMiB: 4_000, coolDownMs: 600_000 },
      },
    },
    images: new ImageStore({ dir: imagesDir }),
    env: {},
    clock: realClock,
    random: realRandom,
    ids: makeIds(realClock, realRandom),
    log: silentLog,
  });
}, 300_000);
afterAll(async () => {
  await vms.close();
  await rm(dataDir, { recursive: true });
});

async function withVm<T>(image: string, act: (vm: MicroVm) => Promise<T>): Promise<T> {
  const vm = await vms.start({ image, memoryMiB: 128, vcpus: 1 }, never);
  try {
    expect(vm.facts.start).toBe('restore');
    return await act(vm);
  } finally {
    await vms.kill(vm.id);
  }
}

async function endOf(image: string, one: ZygoteCase, mayBeByZygote: boolean) {
  return await withVm(image, async (vm) => {
    const write = async (path: string, text: string): Promise<void> => {
      const spec = { argv: guestTasks.put(0, path), env: [], cwd: '/', uid: 0 };
      await vm.task(spec, { ...io, stdin: Buffer.from(text) }).exited;
    };
    const start: MicroVm['exec'] = (spec, given) => vm.exec(spec, given, mayBeByZygote);
    const end = await runCase(one, { cwd: '/work', uid: 0, write, start });
    expect(vm.facts.zygote).toBe(end.byZygote);
    return end;
  });
}

/** What a command prints. */
async function told(image: string, argv: readonly string[]): Promise<string> {
  return await withVm(image, async (vm) => {
    let text = '';
    const output = async (_: string, data: Buffer): Promise<void> => {
      text += data.toString();
    };
    const exec = vm.exec({ argv, env: caseEnv, cwd: '/', uid: 0 }, { ...io, output });
    expect(await exec.exited).toMatchObject({ code: 0 });
    expect(exec.byZygote).toBe(true);
    return text;
  });
}

const numbers = {
  python: [
    'python3',
    '-c',
    'import os, random, time, uuid; print(random.random(), uuid.uuid4(), os.urandom(8).hex(), time.time())',
  ],
  // The word that makes Node start anew is put together.
  node: [
    'node',
    '-e',
    'const c = require("cry" + "pto"); const bytes = c.randomBytes(8).toString("hex");' +
      'console.log(Math.random(), c.randomUUID(), bytes, Date.now() / 1000)',
  ],
} as const;

describe.each([
  ['python', pythonCases],
  ['node', nodeCases],
] as const)('zygotes of the %s image', (image, cases) => {
  const step = Math.ceil(cases.length / casesOfEach);
  const some = cases.filter((_, index) => index % step === 1);
  beforeAll(async () => {
    await vms.warm({ image, memoryMiB: 128, vcpus: 1 });
  });

  it.each(some)('$name: ends as by a start of its own', async (one) => {
    const plain = await endOf(image, one, false);
    const taken = await endOf(image, one, true);
    expect(comparable(taken)).toEqual(comparable({ ...plain, byZygote: one.taken }));
  });

  it('have randomness and time of their own', async () => {
    const lines: string[] = [];
    for (let count = 0; count < clones; count++) lines.push(await told(image, numbers[image]));
    const words = lines.map((line) => line.trim().split(' '));
    for (const column of [0, 1, 2]) expect(new Set(words.map((word) => word[column])).size).toBe(clones);
    for (const [, , , seconds] of words) {
      expect(Math.abs(Number(seconds) - Date.now() / 1_000)).toBeLessThan(600);
    }
  });
});
