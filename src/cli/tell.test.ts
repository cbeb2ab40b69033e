import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BlixardClient, type JobEvent, type SavedWebhook } from '../client/index.ts';
import type { Transport } from '../client/transport.ts';
import { appTransport } from '../control/http/app-transport.ts';
import { startTestSystem, type TestSystem } from '../control/http/test-system.suite.ts';
import { isSigned, Receiver } from '../control/webhooks/receiver.suite.ts';
import { BlixardError } from '../domain/errors.ts';
import { forgetEvents } from '../store/statements/forget.ts';
import { CliScene } from './cli-scene.suite.ts';

let system: TestSystem;
let client: BlixardClient;
let receiver: Receiver;
beforeEach(async () => {
  system = await startTestSystem();
  client = new BlixardClient({ transport: appTransport(system.app) });
  receiver = await Receiver.start();
});
afterEach(async () => {
  await system.close();
  await receiver.close();
});

const scene = (stdin = '') => new CliScene({ transport: () => appTransport(system.app), stdin });
const submit = (queue = 'default') => client.call('submitJob', { body: { command: ['true'], queue } });

async function blixard(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const one = scene();
  const code = await one.run(...args);
  return { code, stdout: one.terminal.stdout, stderr: one.terminal.stderr };
}

async function eventually(check: () => boolean): Promise<void> {
  for (let tries = 0; !check(); tries++) {
    if (tries > 200) expect.fail('it never came true');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('blixard events', () => {
  it('prints what happened, a line each', async () => {
    const job = await submit('builds');
    await submit();
    const { code, stdout } = await blixard('events', '--queue', 'builds');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      new RegExp(`^1  \\S+Z  job.submitted {7}${job.id}  state=pending queue=builds .*\\n$`),
    );
    const all = await blixard('events', '--after', '0', '--limit', '1', '-o', 'json');
    expect((JSON.parse(all.stdout) as JobEvent).seq).toBe(1);
    expect(all.stderr).toContain('--after');
    const last = await blixard('events', '--last', '1', '-o', 'json');
    expect((JSON.parse(last.stdout) as JobEvent).seq).toBe(2);
    expect((await blixard('events', '--after', '9')).stderr).toContain('the newest one is 2');
  });

  it('tells of events that are no longer kept', async () => {
    for (let n = 0; n < 3; n++) await submit();
    await system.db.batch([forgetEvents.with({ before: 3 })]);
    for (const flags of [[], ['-f']])
      expect(await blixard('events', '--after', '1', ...flags)).toMatchObject({
        code: 125,
        stdout: '',
        stderr: expect.stringMatching(/after 1 are kept any more; .* number 3\.\nhint: Look at the jobs/),
      });
    expect((await blixard('events', '--after', '0')).stdout).toMatch(/^3 [^\n]*\n$/);
  });

  it('-f goes on with what happens, until nobody reads', async () => {
    const one = scene();
    const running = one.run('events', '-f', '--kind', 'job.', '-o', 'json');
    await eventually(() => system.deps.events.listened === 1);
    await submit();
    await eventually(() => one.terminal.stdout.includes('\n'));
    expect((JSON.parse(one.terminal.stdout) as JobEvent).kind).toBe('job.submitted');
    one.terminal.stdoutIsClosed = true;
    await submit();
    expect(await running).toBe(141);
    await eventually(() => system.deps.events.listened === 0);
  });
});

it('blixard events refuses a kind that is none', async () => {
  const refused = await blixard('events', '--kind', 'job.compleeted');
  expect(refused.code).toBe(125);
  expect(refused.stdout).toBe('');
  expect(refused.stderr).toContain('--kind: kind is "job.compleeted"; allowed: one of: job.submitted, ');
});

describe('blixard webhook', () => {
  it('makes, changes, shows and removes one, and prints its secret once', async () => {
    const made = await blixard(
      'webhook',
      'set',
      'ci',
      '--url',
      receiver.url,
      '--kind',
      'job.completed',
      'job.failed',
    );
    expect(made.stdout).toMatch(/^secret {2}whsec_\S+$/m);
    expect(made.stderr).toContain('never shown again');
    const secret = /whsec_\S+/.exec(made.stdout)?.[0] ?? '';

    const paused = await blixard('webhook', 'set', 'ci', '--pause', '--queue', 'builds', '-o', 'json');
    expect(JSON.parse(paused.stdout) as SavedWebhook).toMatchObject({
      webhook: { url: receiver.url, kinds: ['job.completed', 'job.failed'], queue: 'builds', paused: true },
      secret: null,
    });
    const resumed = await blixard('webhook', 'set', 'ci', '--resume', '--queue', '', '--kind', 'all');
    expect(resumed.stdout).toMatch(/state +ok\nkinds +all\nqueue +all\n/);
    expect((await blixard('webhook', 'ls')).stdout).toMatch(/^ci +ok +all +all +http:\S+$/m);
    const shown = await blixard('webhook', 'get', 'ci');
    expect(shown.stdout).toContain(receiver.url);
    expect(shown.stdout).not.toContain(secret);
    expect(await blixard('webhook', 'rm', 'ci')).toEqual({ code: 0, stdout: 'ci  removed\n', stderr: '' });
    expect((await blixard('webhook', 'get', 'ci')).stderr).toContain('There is no webhook ci.');
  });

  it('prints the secret of one whose making lost its answer', async () => {
    let losses = 1;
    const losing = (): Transport => {
      const { call, ...rest } = appTransport(system.app);
      return {
        ...rest,
        call: async (wire) => {
          const reply = await call?.(wire);
          if (reply !== undefined && (wire.route !== 'putWebhook' || losses-- === 0)) return reply;
          throw new BlixardError('SERVER_UNREACHABLE', { url: 'here', problem: 'reset' });
        },
      };
    };
    const one = new CliScene({ transport: losing });
    expect(await one.run('webhook', 'set', 'ci', '--url', receiver.url)).toBe(0);
    expect(losses).toBe(-1);
    const secret = /^secret {2}(whsec_\S+)$/m.exec(one.terminal.stdout)?.[1] ?? '';
    await client.call('testWebhook', { params: { name: 'ci' } });
    expect(receiver.received.map((message) => isSigned(secret, message))).toEqual([true]);
  });

  it('takes a secret from standard input, and wants a URL for a new one', async () => {
    const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
    const one = scene(`${secret}\n`);
    expect(await one.run('webhook', 'set', 'ci', '--url', receiver.url, '--secret-stdin')).toBe(0);
    expect(one.terminal.stdout).not.toContain('whsec_');
    const bad = await blixard('webhook', 'set', 'other');
    expect(bad).toMatchObject({ code: 125, stderr: expect.stringContaining('--url is needed') });
  });

  it('tests, tells how deliveries went, and sends one again', async () => {
    await blixard('webhook', 'set', 'ci', '--url', receiver.url);
    expect((await blixard('webhook', 'test', 'ci')).stdout).toMatch(
      /evt_\S+ +webhook.test +delivered +204 +1 /,
    );
    receiver.react = (response) => void response.writeHead(500).end();
    const failed = await blixard('webhook', 'test', 'ci');
    expect(failed).toMatchObject({ code: 1, stdout: expect.stringContaining('the answer was 500') });
    const list = await blixard('webhook', 'deliveries', 'ci', '-n', '1');
    const id = /evt_\S+/.exec(list.stdout)?.[0] ?? '';
    expect(list.stderr).toContain('there may be more: --cursor');
    receiver.react = (response) => void response.writeHead(200).end();
    const again = await blixard('webhook', 'redeliver', 'ci', id);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('delivered') });
    expect(receiver.received.map((message) => message.id).slice(1)).toEqual([id, id]);
  });
});
