/** A proxy that sends every request twice, as a network that repeats itself does, and keeps both answers. */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What one request was, and what each of its two copies was answered. */
export interface Doubled {
  readonly what: string;
  readonly answers: readonly [Answer, Answer];
}

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

/** The copies go out together, or the second one after the first was answered. */
export type Timing = 'together' | 'after';

/** The caller gets the first answer, and sees the second only in `doubled`. */
export class DoublingProxy {
  readonly doubled: Doubled[] = [];
  readonly #server: Server;
  readonly #targetUrl: string;
  readonly #timing: Timing;
  readonly #seconds = new Set<Promise<void>>();

  private constructor(targetUrl: string, timing: Timing) {
    this.#targetUrl = targetUrl;
    this.#timing = timing;
    this.#server = createServer((incoming, outgoing) => {
      this.#double(incoming, outgoing).catch((error: Error) => outgoing.destroy(error));
    });
  }

  static async start(targetUrl: string, timing: Timing): Promise<DoublingProxy> {
    const proxy = new DoublingProxy(targetUrl, timing);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves once all second copies were answered, too. */
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await Promise.allSettled(this.#seconds);
  }

  async #double(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const send = (): Promise<Answer> => this.#send(incoming, Buffer.concat(chunks));
    const first = send();
    const second = this.#timing === 'together' ? send() : first.then(send);
    const kept = Promise.all([first, second]).then(([one, other]) => {
      const what = `${incoming.method} ${incoming.url?.split('?')[0]}`;
      this.doubled.push({ what, answers: [one, other] });
    });
    this.#seconds.add(kept);
    kept.catch((error: unknown) => process.stderr.write(`a doubled request was cut: ${String(error)}\n`));
    const { status, headers, body } = await first;
    outgoing.writeHead(status, headers).end(body);
  }

  #send(incoming: IncomingMessage, body: Buffer): Promise<Answer> {
    const { method, headers } = incoming;
    return new Promise((resolve, reject) => {
      const sent = request(
        `${this.#targetUrl}${incoming.url}`,
        { method, headers, agent: false },
        (reply) => {
          const chunks: Buffer[] = [];
          reply.on('data', (chunk: Buffer) => chunks.push(chunk));
          reply.on('error', reject);
          reply.on('end', () => {
            const { 'transfer-encoding': _, connection: __, ...rest } = reply.headers;
            resolve({ status: reply.statusCode ?? 0, headers: rest, body: Buffer.concat(chunks) });
          });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }
}
