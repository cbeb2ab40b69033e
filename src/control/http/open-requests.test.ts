import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import type { LazySignal } from '../../platform/lazy-signal.ts';
import { OpenRequests } from './open-requests.ts';

const open = new OpenRequests();
const begun: LazySignal[] = [];
const server = createServer((_, response) => {
  begun.push(open.begin(response));
});

afterEach(() => server.close());

it('requests behind another one of a connection learn, too, that their client has gone', async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(3));
  await vi.waitFor(() => expect(begun).toHaveLength(3));
  expect(begun.map((gone) => gone.isAborted)).toEqual([false, false, false]);
  client.destroy();
  await vi.waitFor(() => expect(begun.map((gone) => gone.isAborted)).toEqual([true, true, true]));
});
