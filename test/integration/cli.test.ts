import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Site, until } from '../lib/system.ts';

/** No VMs: everything that needs none must work. */
const noVms = { SKIP_VM_MANAGER: '1' };

describe('the built program, without VMs', () => {
  let site: Site;
  beforeEach(async () => {
    site = await Site.make();
  });
  afterEach(() => site.remove());

  it('says what to start when no server answers', async () => {
    const { code, stdout, stderr } = await site.cli(['run', '--', 'true']);
    expect(code).toBe(125);
    expect(stdout.toString()).toBe('');
    expect(stderr).toContain(`blixard: No Blixard server answers at ${site.url}`);
    expect(stderr).toContain('hint: Start one with: blixard up');
  });

  it('takes a job, says why it waits, cancels it, and ends cleanly on SIGTERM', async () => {
    const up = await site.start('up', noVms);
    const submitted = await site.cli(['run', '-d', '--', 'echo', 'hello']);
    const id = submitted.stdout.toString().trim();
    expect(id).toMatch(/^[0-9a-f-]{36}$/);

    await until('the worker is registered', async () => up.output.includes('Blixard '));
    const shown = await site.cli(['job', 'get', id.slice(0, 22)]);
    expect(shown.stdout.toString()).toMatch(/^state +pending$/m);
    expect(shown.stdout.toString()).toMatch(/^waits +.*SKIP_VM_MANAGER is 1/m);

    expect((await site.cli(['job', 'cancel', id])).stdout.toString()).toBe(`${id}  cancelled\n`);
    expect((await site.cli(['job', 'wait', id])).code).toBe(130);
    expect(await up.end('SIGTERM')).toBe(0);
  });

  it('tells in its banner where it is and why there are no VMs', async () => {
    const up = await site.start('up', { ...noVms, BLIXARD_SERVER: 'http://127.0.0.1:1' });
    await until('the banner', async () => up.output.includes('Run something'));
    expect(up.output).toContain(`API     ${site.url}\n`);
    expect(up.output).toContain(`data    ${site.dataDir}\n`);
    expect(up.output).toContain('VMs     none: SKIP_VM_MANAGER is 1\n');
    expect(up.output).toContain(`blixard run --server ${site.url} -- `);
  });

  it('keeps what it accepted over a kill -9', async () => {
    const first = await site.start('up', noVms);
    const submitted = await site.cli(['run', '-d', '--', 'true']);
    expect(await first.end('SIGKILL')).toBeNull();
    await site.start('up', noVms);
    const id = submitted.stdout.toString().trim();
    const { stdout } = await site.cli(['job', 'get', id, '-o', 'json']);
    expect(JSON.parse(stdout.toString())).toMatchObject({ id, state: 'pending' });
  });

  it('refuses a second process on the same data', async () => {
    await site.start('up', noVms);
    const { code, stderr } = await site.cli(['up', '--port', '0'], { env: noVms });
    expect(code).toBe(69);
    expect(stderr).toMatch(/blixard: Another process owns the store .*blixard\.db: process \d+/);
    expect(stderr).toContain('hint: Stop that process, or use another data directory');
  });

  it('says so when its port is taken', async () => {
    const taken = await listenOn(site.port);
    try {
      const { code, stderr } = await site.cli(['server']);
      expect(code).toBe(69);
      expect(stderr).toContain(`blixard: Cannot listen on 127.0.0.1:${site.port}: the address is in use`);
      expect(stderr).toContain('--port');
      expect(stderr).not.toContain('    at ');
    } finally {
      taken.close();
    }
  });

  it('runs server and worker as processes of their own', async () => {
    await site.start('server');
    const worker = site.spawn(['worker', '--worker-name', 'left'], noVms);
    const listed = await until('the worker is online', async () => {
      const { stdout } = await site.cli(['worker', 'ls']);
      return stdout.toString().includes('online') && stdout.toString();
    });
    expect(listed).toMatch(/ left +online .*not microvm: SKIP_VM_MANAGER is 1/);
    expect(await worker.end('SIGINT')).toBe(0);
    expect((await site.cli(['worker', 'ls'])).stdout.toString()).toMatch(/ left +offline /);
  });

  it('lets a worker that waits for its server be told to end', async () => {
    const worker = site.spawn(['worker', '--log-level', 'warn'], noVms);
    await until('it asks for the server', async () => worker.output !== '');
    expect(await worker.end('SIGTERM')).toBe(0);
  });

  it('prints every configuration value and its source', async () => {
    const { stdout } = await site.cli(['config', '--slots', '7'], { env: { BLIXARD_LEASE: '20s' } });
    expect(stdout.toString()).toMatch(/^slots +7 +--slots /m);
    expect(stdout.toString()).toMatch(/^lease +20s +BLIXARD_LEASE /m);
    expect(stdout.toString()).toMatch(/^stop-grace +\S+ +default /m);
  });

  it('refuses a wrong configuration before it does anything', async () => {
    const { code, stderr } = await site.cli(['up'], { env: { BLIXARD_SLOTS: 'many' } });
    expect(code).toBe(78);
    expect(stderr).toContain('blixard: slots = many (from BLIXARD_SLOTS): it must be a whole number');
  });

  it('doctor sees the server and the store in use', async () => {
    const up = await site.start('up', noVms);
    const args = ['doctor', '-o', 'json', '--vms-max', '3', '--vms-cpus-max', '1'];
    const { stdout } = await site.cli(args, { env: noVms });
    const { findings } = JSON.parse(stdout.toString()) as { findings: { check: string; text: string }[] };
    const textOf = (check: string) => findings.find((finding) => finding.check === check)?.text;
    expect(textOf('server')).toContain(`${site.url} answers`);
    expect(textOf('store')).toContain(`in use: process ${up.pid}`);
    expect(textOf('VM manager')).toContain('SKIP_VM_MANAGER is 1');
    expect(textOf('room for VMs')).toMatch(
      /^3 VMs in .*; those with jobs have 1 CPUs together on \d+ cores, each at most 1$/,
    );
  });

  it('prints the interface a running server serves', async () => {
    await site.start('server');
    const { stdout } = await site.cli(['openapi']);
    const served = await (await fetch(`${site.url}/openapi.json`)).json();
    expect(JSON.parse(stdout.toString())).toEqual(served);
  });
});

async function listenOn(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
}
