/** Commands taken by zygotes of the real agent end as when they are started on their own. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guestTasks } from '../contract/guest.ts';
import {
  type BuiltAgent,
  buildTestAgent,
  command,
  endWell,
  type Greeted,
  startGreeted,
} from './guest-agent.suite.ts';
import { caseEnv, comparable, runCase, type ZygoteCase } from './zygote.suite.ts';
import { nodeCases } from './zygote-node.suite.ts';
import { pythonCases } from './zygote-python.suite.ts';
import { zygoteKinds } from './zygotes.ts';

const dir = fileURLToPath(new URL('../../guest/zygotes', import.meta.url));

let built: BuiltAgent;
let greeted: Greeted;
beforeAll(async () => {
  built = await buildTestAgent('checked');
  greeted = await startGreeted(built.file);
}, 60_000);
afterAll(async () => {
  await endWell(greeted);
  await built.remove();
});

async function startZygote(name: string): Promise<void> {
  const kind = zygoteKinds[name];
  if (kind === undefined) throw new Error(`there is no zygote of ${name}`);
  const spec = command(guestTasks.zygote(kind.argv(dir)), { env: [...caseEnv, ...kind.env(dir)] });
  const io = {
    stdin: new Uint8Array(),
    output: async (_: string, data: Buffer) => Promise.reject(data.toString()),
  };
  expect(await greeted.session.task(spec, io).exited).toMatchObject({ code: 0 });
}

async function expectAlike(zygote: string, one: ZygoteCase): Promise<void> {
  const plain = await runCase(one, (spec, io) => greeted.session.run(spec, io, false));
  await startZygote(zygote);
  const taken = await runCase(one, (spec, io) => greeted.session.run(spec, io, true));
  expect(comparable(taken)).toEqual(comparable({ ...plain, byZygote: one.taken }));
}

/** Every third, and all in the long run. */
const step = process.env['BLIXARD_TEST_LONG'] === '1' ? 1 : 3;
const some = (cases: readonly ZygoteCase[]) => cases.filter((_, index) => index % step === 0);

/** What the stand-in for the start of Python was read against. */
const hasPython = /^Python 3\.1[12]\./.test(
  spawnSync('/usr/bin/python3', ['-V'], { encoding: 'utf8' }).stdout ?? '',
);

describe.skipIf(!hasPython)('a zygote of Python', () => {
  it.each(some(pythonCases))('$name', (one) => expectAlike('python3', one));
});

describe('a zygote of Node', () => {
  it.each(some(nodeCases))('$name', (one) => expectAlike('node', one));
});
