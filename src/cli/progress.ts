/** Shows on standard error how far a job is, while a person looks at it. */
import type { BlixardClient } from '../client/index.ts';
import type { Job } from '../contract/job.ts';
import { say } from './command.ts';
import type { CliContext } from './context.ts';
import { printable } from './output/style.ts';

/** `40 % compiling`; nothing for no progress. */
export function progressText(progress: Job['progress']): string | undefined {
  if (progress === null) return undefined;
  const { percent, message } = progress;
  return [percent === null ? '' : `${percent} %`, printable(message)].filter((text) => text !== '').join(' ');
}

/** Tells each step until `stop` is called; nothing where nobody looks. */
export function showProgress(
  context: CliContext,
  client: BlixardClient,
  jobId: string,
): { readonly stop: () => void } {
  const over = new AbortController();
  const show = async (): Promise<void> => {
    const { signal } = over;
    for await (const { data } of client.followEvents({ kind: 'job.progress', job: jobId, signal })) {
      const { percent = null, message = '' } = data as Partial<NonNullable<Job['progress']>>;
      await say(context, progressText({ percent, message, atMs: 0 }) ?? '');
    }
  };
  // A server that does not answer is told by whoever waits for the end.
  const leftToOthers = (): void => undefined;
  if (context.terminal.isTty('stderr')) void show().catch(leftToOthers);
  return { stop: () => over.abort() };
}
