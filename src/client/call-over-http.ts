/** A call as an HTTP request, where there is no shorter way. */
import { parse, readBody } from './answer.ts';
import type { Transport, WireCall, WireReply } from './transport.ts';
import { wireRequestOf } from './wire.ts';

/** Rejects like `send`, and with SERVER_ANSWER_INVALID for a body that is no JSON. */
export async function replyOver(
  transport: Transport,
  { route, gone, ...parts }: WireCall,
): Promise<WireReply> {
  const request = wireRequestOf(route, parts);
  const response = await transport.send(gone === undefined ? request : { ...request, signal: gone.signal });
  return { status: response.status, body: parse(await readBody(response, transport.url), transport.url) };
}
