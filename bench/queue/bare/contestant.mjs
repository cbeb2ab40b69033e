/** The bare queue as a contestant: in this process, or behind HTTP, where the calls of a moment share a request. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openDesk } from './desk.mjs';

const serverProgram = fileURLToPath(new URL('server.mjs', import.meta.url));
/** Jobs a worker holds beyond those it runs, and claims at once. */
const ahead = 200;
const claimMax = 500;
const waitMs = 200;
/** While so many requests are under way, calls wait and go out together in the next. */
const requestsMax = 2;

export async function open({ dir, concurrency, payload, server }) {
  const file = join(dir, 'bare.db');
  const desk = server === true ? await deskBehindHttp(file) : await openDesk(file);
  const textOf = (index) => JSON.stringify({ ...payload, index });
  let stopWorker = async () => undefined;
  return {
    enqueue: (index) =>
      desk.addSoon === undefined ? desk.add([textOf(index)]) : desk.addSoon(textOf(index)),
    bulk: (indexes) => desk.add(indexes.map(textOf)),
    start: async (handle) => {
      stopWorker = startWorker(desk, concurrency, handle);
      return stopWorker;
    },
    stop: async () => {
      await stopWorker();
      await desk.close();
    },
  };
}

/** Ends what was done and claims more, one call after another; gives what stops it. */
function startWorker(desk, slots, handle) {
  const claimed = [];
  let ended = [];
  let running = 0;
  let isStopped = false;
  const run = async (job) => {
    running++;
    await handle(JSON.parse(job.payload).index);
    running--;
    ended.push(Number(job.seq));
    fill();
  };
  const fill = () => {
    while (running < slots && claimed.length > 0) void run(claimed.shift());
  };
  const talk = async () => {
    while (!isStopped || ended.length > 0 || claimed.length > 0) {
      const done = ended;
      ended = [];
      const want = isStopped ? 0 : Math.min(claimMax, Math.max(slots - running, ahead - claimed.length));
      const isIdle = done.length === 0 && claimed.length === 0;
      claimed.push(...(await desk.work({ done, want, waitMs: isIdle ? waitMs : 0 })));
      fill();
      await turn();
    }
  };
  const over = talk();
  return () => {
    isStopped = true;
    return over;
  };
}

async function deskBehindHttp(file) {
  const child = fork(serverProgram, [file], { execArgv: [] });
  const [port] = await once(child, 'message');
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const post = (path, body) => postTo({ host: '127.0.0.1', port, path, agent }, JSON.stringify(body));
  let waiting = [];
  let underWay = 0;
  const send = async () => {
    if (waiting.length === 0 || underWay >= requestsMax) return;
    const group = waiting;
    waiting = [];
    underWay++;
    const ids = await post(
      '/jobs',
      group.map(({ text }) => text),
    );
    underWay--;
    for (const [index, { resolve }] of group.entries()) resolve(ids[index]);
    void send();
  };
  return {
    add: (texts) => post('/jobs', texts),
    addSoon: (text) =>
      new Promise((resolve) => {
        if (waiting.push({ text, resolve }) === 1) queueMicrotask(() => void send());
      }),
    work: (body) => post('/work', body),
    close: async () => {
      agent.destroy();
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

function postTo(to, body) {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const request = httpRequest({ ...to, method: 'POST', headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(JSON.parse(text)));
    });
    request.on('error', reject);
    request.end(body);
  });
}
