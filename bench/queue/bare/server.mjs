/** The bare queue behind HTTP, in a process of its own: `node server.mjs FILE`; tells its parent the port. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { openDesk } from './desk.mjs';

const desk = await openDesk(process.argv[2]);
const routes = { '/jobs': (body) => desk.add(body), '/work': (body) => desk.work(body) };

const server = createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8');
  request.on('data', (chunk) => {
    text += chunk;
  });
  request.on('end', async () => {
    const reply = JSON.stringify(await routes[request.url](JSON.parse(text)));
    const length = Buffer.byteLength(reply);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': length });
    response.end(reply);
  });
});
await once(server.listen(0, '127.0.0.1'), 'listening');
process.send(server.address().port);
process.once('disconnect', () => process.exit(0));
