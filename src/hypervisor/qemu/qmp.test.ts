import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { limits } from '../../domain/limits.ts';
import { Qmp } from './qmp.ts';

/** A control channel whose other end is `qemu`; `said` is what arrived there, by command. */
function open() {
  const [channel, qemu] = duplexPair();
  const said: { execute: string; id: number; arguments: unknown }[] = [];
  qemu.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().trim().split('\n')) said.push(JSON.parse(line));
  });
  const say = (...messages: unknown[]): void => {
    for (const message of messages) qemu.write(`${JSON.stringify(message)}\n`);
  };
  const idOf = (command: string) => said.find(({ execute }) => execute === command)?.id;
  return { qmp: new Qmp({ channel }), qemu, channel, said, say, idOf };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('the control channel of QEMU', () => {
  it('does commands in order, beside greeting and events', async () => {
    const { qmp, say, said, idOf } = open();
    const stop = qmp.execute('stop');
    await settled();
    expect(said.map(({ execute }) => execute)).toEqual(['qmp_capabilities', 'stop']);
    say({ QMP: {} }, { return: {}, id: 1 }, { event: 'STOP' }, { return: {}, id: idOf('stop') });
    await stop;
  });

  it('tells what QEMU said when it refuses', async () => {
    const { qmp, say, idOf } = open();
    const stop = qmp.execute('stop');
    await settled();
    say({ error: { class: 'GenericError', desc: 'not now' }, id: idOf('stop') });
    await expect(stop).rejects.toMatchObject({
      code: 'VMM_REFUSED',
      message: 'The VMM did not stop: not now',
    });
  });

  it('waits for the end of a migration, not only for its start', async () => {
    const { qmp, say, said, idOf } = open();
    let over = false;
    const migrating = qmp.migrate('migrate', 'unix:x').then(() => {
      over = true;
    });
    await settled();
    expect(said.at(-1)).toMatchObject({ execute: 'migrate', arguments: { uri: 'unix:x' } });
    say({ return: {}, id: idOf('migrate-set-capabilities') }, { return: {}, id: idOf('migrate') });
    say({ event: 'MIGRATION', data: { status: 'active' } });
    await settled();
    expect(over).toBe(false);
    say({ event: 'MIGRATION', data: { status: 'completed' } });
    await migrating;
    const failing = qmp.migrate('migrate', 'unix:x');
    await settled();
    say({ event: 'MIGRATION', data: { status: 'failed' } });
    await expect(failing).rejects.toMatchObject({ code: 'VMM_REFUSED' });
  });

  it.each([
    ['ends', (qemu: NodeJS.WritableStream) => qemu.end()],
    ['talks nonsense', (qemu: NodeJS.WritableStream) => qemu.write('hello?\n')],
    ['never ends its line', (qemu: NodeJS.WritableStream) => qemu.write('x'.repeat(limits.qmpLineBytes + 1))],
  ])('that %s ends all that waits, and what comes after', async (_, act) => {
    const { qmp, qemu, channel } = open();
    const stop = qmp.execute('stop');
    const migrate = qmp.migrate('migrate', 'unix:x');
    await settled();
    act(qemu);
    await expect(stop).rejects.toMatchObject({ code: 'VMM_REFUSED' });
    await expect(migrate).rejects.toMatchObject({ code: 'VMM_REFUSED' });
    await expect(qmp.execute('cont')).rejects.toMatchObject({ code: 'VMM_REFUSED' });
    expect(channel.destroyed).toBe(true);
  });
});
