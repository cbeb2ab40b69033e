import { describe, expect, it } from 'vitest';
import { assertTarget, guardedLookup, isAllowed, type WebhookTargets } from './targets.ts';

describe('an address', () => {
  const always = ['1.1.1.1', '93.184.216.34', '2606:4700::1111'];
  const nearby = [
    '127.0.0.1',
    '127.9.9.9',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.1.1',
    '100.64.0.1',
    '::1',
    'fd12::1',
  ];
  const never = [
    '169.254.169.254',
    '100.100.100.200',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    'fe80::1',
    'fd00:ec2::254',
    'ff02::1',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
  ];
  const rows = [
    ['public', always, [...nearby, ...never, '::ffff:127.0.0.1', '::ffff:10.0.0.1']],
    ['private', [...always, ...nearby, '::ffff:127.0.0.1'], never],
    ['any', [...always, ...nearby, ...never], []],
  ] as const satisfies readonly (readonly [WebhookTargets, readonly string[], readonly string[]])[];

  it.each(rows)('is judged with %s', (targets, allowed, refused) => {
    expect(allowed.filter((address) => !isAllowed(address, targets))).toEqual([]);
    expect(refused.filter((address) => isAllowed(address, targets))).toEqual([]);
  });

  it('in a URL is judged however it is written', () => {
    for (const host of ['169.254.169.254', '2852039166', '0xa9fea9fe', '[::ffff:169.254.169.254]', '0'])
      expect(() => assertTarget(`http://${host}/latest`, 'private'), host).toThrow(
        expect.objectContaining({ code: 'WEBHOOK_TARGET_REFUSED' }),
      );
    expect(() => assertTarget('http://127.1:80/', 'private')).not.toThrow();
    expect(() => assertTarget('http://localhost/', 'public')).not.toThrow();
  });

  it('behind a name is judged when it is looked up', async () => {
    const look = (targets: WebhookTargets) =>
      new Promise((resolve) => {
        guardedLookup(targets)('localhost', { all: true }, (error, found) => resolve(error ?? found));
      });
    expect(await look('public')).toMatchObject({ code: 'WEBHOOK_TARGET_REFUSED' });
    expect(await look('private')).toContainEqual({ address: '127.0.0.1', family: 4 });
  });
});
