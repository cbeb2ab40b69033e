/** blixard webhook set: make a webhook, or change what is named of one. */
import { type Command, Option } from 'commander';
import type { BlixardClient } from '../../../client/index.ts';
import type { PutWebhook, Webhook } from '../../../contract/webhook.ts';
import { BlixardError, isBlixardError } from '../../../domain/errors.ts';
import { addCommand, type Call, type CommandHome, print, printJson, say, withClient } from '../../command.ts';
import { readStdin } from '../../stdin.ts';
import { factsOf } from './look.ts';

interface Options {
  readonly url?: string;
  readonly kind?: readonly string[];
  readonly queue?: string;
  readonly secretStdin?: boolean;
  readonly pause?: boolean;
  readonly resume?: boolean;
}

export function addWebhookSet(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'set',
    summary: 'make a webhook, or change one; a secret made for it is printed once',
    flags: 'client',
    printsData: true,
    examples: [
      'blixard webhook set ci --url https://ci.example/hook --kind job.completed job.failed',
      'blixard webhook set ci --pause',
    ],
    setUp: (command) =>
      command
        .argument('<webhook>', 'name of the webhook')
        .option('--url <url>', 'where to send events; needed for a new one')
        .option('--kind <kinds...>', 'only these kinds or starts of them; "all" for all')
        .option('--queue <name>', 'only events of jobs of this queue; "" for all')
        .option('--secret-stdin', 'read the secret (whsec_ and base64) from standard input')
        .addOption(new Option('--pause', 'send nothing until --resume').conflicts('resume'))
        .option('--resume', 'go on where it was paused'),
    run,
  });
}

async function run(call: Call<Options>): Promise<undefined> {
  const name = call.args[0] ?? '';
  const secret = await secretOf(call);
  const saved = await withClient(call, async (client) => {
    const body = { ...changed(await current(client, name), call.options), ...secret };
    return client.call('putWebhook', { params: { name }, body });
  });
  if (call.json) return void (await printJson(call, saved));
  await print(call, factsOf(call, saved.webhook));
  if (saved.secret === null) return;
  await print(call, `${call.paint('dim', 'secret')}  ${saved.secret}\n`);
  await say(call.context, 'give the secret to the receiver now; it is never shown again');
}

async function current(client: BlixardClient, name: string): Promise<Webhook | undefined> {
  try {
    return await client.call('getWebhook', { params: { name } });
  } catch (error) {
    if (isBlixardError(error, 'WEBHOOK_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** What is not named stays as it is. */
function changed(old: Webhook | undefined, options: Options): PutWebhook {
  const url = options.url ?? old?.url;
  if (url === undefined) throw new BlixardError('USAGE', { problem: '--url is needed for a new webhook' });
  const kinds = options.kind ?? old?.kinds ?? [];
  const queue = options.queue ?? old?.queue ?? '';
  return {
    url,
    kinds: kinds.filter((kind) => kind !== 'all'),
    queue: queue === '' ? null : queue,
    paused: options.pause === true || (options.resume !== true && old?.paused === true),
  };
}

async function secretOf({ options, context }: Call<Options>): Promise<{ secret?: string }> {
  if (options.secretStdin !== true) return {};
  return { secret: (await readStdin(context.stdin)).toString('utf8').trim() };
}
