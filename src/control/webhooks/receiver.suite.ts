/** A receiver of webhooks for tests: a real HTTP server that checks signatures and answers as it is told. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A message as it came. */
export interface Received {
  readonly id: string;
  readonly type: string;
  readonly at: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Answers a request; the default is 204. */
export type Reaction = (response: ServerResponse, message: Received) => void;

export class Receiver {
  readonly received: Received[] = [];
  readonly #server: Server;
  react: Reaction = (response) => void response.writeHead(204).end();

  private constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  static async start(port = 0): Promise<Receiver> {
    const receiver = new Receiver();
    await new Promise<void>((resolve) => receiver.#server.listen(port, '127.0.0.1', resolve));
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook?x=1`;
  }

  get types(): string[] {
    return this.received.map(({ type }) => type);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const id = String(request.headers['webhook-id']);
    const message = { ...JSON.parse(body), id, headers: request.headers, body } as Received;
    this.received.push(message);
    this.react(response, message);
  }
}

/** Checks a message as the Standard Webhooks convention says a receiver does. */
export function isSigned(secret: string, { id, headers, body }: Received): boolean {
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const timestamp = String(headers['webhook-timestamp']);
  const mine = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest();
  const [version, theirs = ''] = String(headers['webhook-signature']).split(',');
  const given = Buffer.from(theirs, 'base64');
  return version === 'v1' && given.length === mine.length && timingSafeEqual(given, mine);
}
