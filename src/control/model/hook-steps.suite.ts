/** Steps of the model test: a webhook is set, paused, deleted, and its receiver goes away and comes back. */
import fc from 'fast-check';
import { passWithWorkers } from './flow-steps.suite.ts';
import { type HookSettings, ModelHook } from './hook.suite.ts';
import { Hooks, hookName } from './hooks.suite.ts';
import { type Pair, queueNames, step } from './pair.suite.ts';

const never = new AbortController().signal;

const put = step('putHook', async (pair, { settings }: { settings: HookSettings }) => {
  pair.hooks ??= new Hooks(pair.control);
  const { hooks } = pair;
  const newest = await hooks.events.newest();
  const { kinds, ...rest } = settings;
  await hooks.webhooks.put(hookName, { url: 'http://127.0.0.1/hook', kinds: [...kinds], ...rest });
  // A new one begins after the newest event, an old one goes on where it was.
  if (hooks.hook === undefined) hooks.hook = new ModelHook(settings, newest);
  else hooks.hook.set(settings);
});

const remove = step('removeHook', async (pair) => {
  const { hooks } = pair;
  if (hooks === undefined) return;
  const removing = hooks.webhooks.remove(hookName);
  if (hooks.hook === undefined) return await pair.refused(removing, 'WEBHOOK_NOT_FOUND');
  await removing;
  hooks.hook = undefined;
});

const redeliver = step('redeliver', async (pair, { index }: { index: number }) => {
  const { hook, webhooks, sender, sent } = hooksOf(pair);
  const row = hook?.log.at(-1 - index);
  if (hook === undefined || row === undefined) return;
  const { deliveries } = await webhooks.deliveries(hookName, { limit: index + 1 });
  await webhooks.redeliver(hookName, deliveries[index]?.id ?? '', never);
  if (hook.retry?.row === row) {
    hook.retry.nextAtMs = pair.nowMs;
    hook.beginAnew();
  } else {
    sent.push(row.eventSeq);
    row.tries++;
    row.state = sender.isDown ? 'failed' : 'delivered';
  }
});

const test = step('testHook', async (pair) => {
  const { hook, webhooks, sender, sent } = hooksOf(pair);
  const testing = webhooks.test(hookName, never);
  if (hook === undefined) return await pair.refused(testing, 'WEBHOOK_NOT_FOUND');
  await testing;
  sent.push(null);
  const state = sender.isDown ? 'failed' : 'delivered';
  hook.log.push({ kind: 'webhook.test', eventSeq: null, state, tries: 1 });
});

const receiver = step('receiver', async (pair, { isDown }: { isDown: boolean }) => {
  hooksOf(pair).sender.isDown = isDown;
});

/** The receiver is away for so many tries. */
const outage = step('outage', async (pair, { tries }: { tries: number }) => {
  hooksOf(pair).sender.isDown = true;
  for (let round = 0; round < tries; round++) {
    await passWithWorkers(pair, 600_000);
    await pair.follow();
    await pair.compare();
  }
});

const passMinutes = step('passMinutes', (pair, { ms }: { ms: number }) => passWithWorkers(pair, ms));

function hooksOf(pair: Pair): Hooks {
  pair.hooks ??= new Hooks(pair.control);
  return pair.hooks;
}

const settings = fc.record({
  kinds: fc.constantFrom<string[]>([], ['job.'], ['job.completed', 'job.failed'], ['job.c', 'worker.']),
  queue: fc.constantFrom(null, null, ...queueNames),
  paused: fc.constantFrom(false, false, true),
});

/** Of a run that has a webhook from its beginning. */
export const hookSetting = fc.record({ settings }).map(put);

/** All steps of this family. */
export const hookSteps = fc.oneof(
  { weight: 3, arbitrary: hookSetting },
  { weight: 1, arbitrary: fc.constant({}).map(remove) },
  { weight: 2, arbitrary: fc.record({ index: fc.nat(5) }).map(redeliver) },
  { weight: 1, arbitrary: fc.constant({}).map(test) },
  { weight: 2, arbitrary: fc.record({ isDown: fc.boolean() }).map(receiver) },
  { weight: 2, arbitrary: fc.record({ tries: fc.constantFrom(1, 3, 9) }).map(outage) },
  { weight: 3, arbitrary: fc.record({ ms: fc.constantFrom(4_000, 60_000, 600_000) }).map(passMinutes) },
);
