import { beforeEach, describe, expect, it } from 'vitest';
import { BlixardError } from '../domain/errors.ts';
import { limits } from '../domain/limits.ts';
import type { Image } from '../image/image-store.ts';
import { FakeClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { breakerBounds } from './breaker.ts';
import { brokenMsMax } from './breaker-words.ts';
import { Breakers } from './breakers.ts';
import type { StartOrder } from './controller.ts';

const { failuresMax, openMs } = breakerBounds;
const broken = new BlixardError('VM_BOOT_FAILED', { problem: 'no kernel' });

function orderOf(name: string, memoryMiB = 128): StartOrder {
  const files = { kernelPath: '/k', initrdPath: '/i', rootPath: '/r', rootFsType: 'squashfs' };
  const image: Image = {
    ...files,
    ...{ name, tag: 'latest', digest: `sha256:${name}`, builtAtMs: 0, bytes: 1, labels: {} },
  };
  return { image, memoryMiB, vcpus: 1 };
}

let clock: FakeClock;
let breakers: Breakers;
let probed: StartOrder[];
let probe: () => Promise<void>;
let orders: () => Promise<readonly StartOrder[]>;
beforeEach(() => {
  clock = new FakeClock();
  probed = [];
  probe = async () => undefined;
  orders = async () => ['bad', 'good', 'fine'].map((name) => orderOf(name));
  breakers = new Breakers({
    clock,
    log: silentLog,
    orders: () => orders(),
    probe: async (order) => {
      probed.push(order);
      await probe();
    },
  });
});

function failTimes(order: StartOrder, times = failuresMax): void {
  for (let n = 0; n < times; n++) breakers.enter(order).failed(broken);
}

function caught(act: () => unknown): BlixardError {
  try {
    act();
  } catch (error) {
    if (error instanceof BlixardError) return error;
  }
  throw new Error('nothing was thrown');
}

/** Lets all promises that are settled be told. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the breaker of an image', () => {
  it('stops its starts, says why and until when, and leaves others alone', () => {
    failTimes(orderOf('bad'));
    expect(() => breakers.enter(orderOf('bad'))).toThrow(
      'The microVM is not started for now: 3 VMs of bad:latest with 128 MiB failed in a row, ' +
        'the next try is in 1m; last: The microVM did not start: no kernel',
    );
    breakers.enter(orderOf('good')).succeeded();
    breakers.enter(orderOf('bad', 256)).dropped();
    expect(breakers.told()).toMatchObject([
      { image: 'bad:latest', memoryMiB: 128, vcpus: 1, phase: 'open', failures: 3, retryInMs: openMs },
    ]);
  });

  it('lets one probe through when its time is over, and closes when that succeeds', () => {
    failTimes(orderOf('bad'));
    clock.advance(openMs);
    const trial = breakers.enter(orderOf('bad'));
    expect(() => breakers.enter(orderOf('bad'))).toThrow('the next try is under way');
    trial.succeeded();
    expect(breakers.told()).toEqual([]);
    breakers.enter(orderOf('bad')).dropped();
  });

  it('stays open when the probe fails, and a cancelled probe leaves its place to the next', () => {
    failTimes(orderOf('bad'));
    clock.advance(openMs);
    breakers.enter(orderOf('bad')).failed(new Error('the job was cancelled'));
    breakers.enter(orderOf('bad')).failed(broken);
    expect(() => breakers.enter(orderOf('bad'))).toThrow('4 VMs of bad:latest');
  });

  it('tells that the image is at fault when its probe has failed too, while others start', async () => {
    failTimes(orderOf('bad'));
    await settle();
    expect(() => breakers.enter(orderOf('bad'))).toThrow('The microVM is not started for now');
    clock.advance(openMs);
    const trial = breakers.enter(orderOf('bad'));
    expect(() => breakers.enter(orderOf('bad'))).toThrow('The microVM is not started for now');
    trial.failed(broken);
    // Whether the host is well is being looked at.
    expect(() => breakers.enter(orderOf('bad'))).toThrow('The microVM is not started for now');
    await settle();
    const refused = caught(() => breakers.enter(orderOf('bad')));
    expect(refused).toMatchObject({ code: 'IMAGE_BROKEN', details: { retryInMs: brokenMsMax } });
    expect(refused.message).toBe(
      'The image does not start: 4 VMs of bad:latest with 128 MiB failed in a row, while others start on this host: ' +
        'build it anew (blixard image build), or give its VMs more memory (-m); ' +
        'last: The microVM did not start: no kernel',
    );
  });

  it('counts neither a lack of room nor what was cancelled, and each start once', () => {
    for (let n = 0; n < 10; n++) {
      breakers.enter(orderOf('full')).failed(new BlixardError('VM_LIMIT', { problem: 'no room' }));
      breakers.enter(orderOf('full')).dropped();
      const trial = breakers.enter(orderOf('full'));
      trial.succeeded();
      trial.failed(broken);
    }
    expect(breakers.told()).toEqual([]);
  });

  it(`remembers at most ${limits.breakersMax}, those that failed last`, () => {
    const orders = Array.from({ length: limits.breakersMax + 2 }, (_, index) => orderOf('one', index + 1));
    for (const order of orders) failTimes(order);
    expect(breakers.told()).toHaveLength(limits.breakersMax);
    expect(() => breakers.enter(orderOf('one', limits.breakersMax + 2))).toThrow('failed in a row');
    breakers.enter(orderOf('one', 1)).dropped();
  });
});

describe('the breaker of the host', () => {
  const failHost = (): void => {
    for (const name of ['a', 'b', 'c']) breakers.enter(orderOf(name)).failed(broken);
  };

  it('opens when several images fail in a row, not when one does or one succeeds between', () => {
    failTimes(orderOf('bad'));
    breakers.enter(orderOf('other')).failed(broken);
    expect(breakers.hostStopped()).toBeNull();
    breakers.enter(orderOf('good')).succeeded();
    breakers.enter(orderOf('third')).failed(broken);
    breakers.enter(orderOf('third')).succeeded();
    expect(breakers.hostStopped()).toBeNull();
    failHost();
    expect(breakers.hostStopped()).toBe(
      'no image starts on this host, the next try is in 1m; last: The microVM did not start: no kernel',
    );
    expect(() => breakers.enter(orderOf('good'))).toThrow('no image starts on this host');
    expect(breakers.told()[0]).toMatchObject({ image: undefined, phase: 'open', failures: 3 });
  });

  it('probes by itself, with images that were good or may be, and goes on when one starts', async () => {
    breakers.enter(orderOf('best')).succeeded();
    failHost();
    probe = async () => {
      throw broken;
    };
    for (let minute = 0; minute < 3; minute++) {
      clock.advance(openMs);
      await settle();
      expect(breakers.hostStopped()).toContain('the next try is in 1m');
    }
    expect(probed.map(({ image }) => image.name)).toEqual(['best', 'bad', 'good']);
    probe = async () => undefined;
    clock.advance(openMs);
    await settle();
    expect(probed.at(-1)?.image.name).toBe('fine');
    expect(breakers.hostStopped()).toBeNull();
    expect(clock.waiting).toBe(0);
  });

  it('is looked at when one image is stopped and nothing else has started meanwhile', async () => {
    failTimes(orderOf('bad'));
    await settle();
    expect(probed.map(({ image }) => image.name)).toEqual(['good']);
    expect(breakers.hostStopped()).toBeNull();
    clock.advance(openMs);
    breakers.enter(orderOf('bad')).failed(broken);
    await settle();
    expect(probed.map(({ image }) => image.name)).toEqual(['good', 'good']);
  });

  it('opens when nothing else starts either', async () => {
    probe = async () => {
      throw broken;
    };
    failTimes(orderOf('bad'));
    await settle();
    expect(breakers.hostStopped()).toContain('no image starts on this host');
    expect(clock.waiting).toBe(1);
  });

  it('closes when there is no image left to try, and the next one is started', async () => {
    failHost();
    orders = async () => [];
    clock.advance(openMs);
    await settle();
    expect(breakers.hostStopped()).toBeNull();
    expect(clock.waiting).toBe(0);
    // It has forgotten what failed before: one failure of another image is none of the host.
    breakers.enter(orderOf('new')).failed(broken);
    expect(breakers.hostStopped()).toBeNull();
    breakers.enter(orderOf('new')).succeeded();
  });

  it('is probed with the image that was good last when the others cannot be listed', async () => {
    breakers.enter(orderOf('best')).succeeded();
    failHost();
    orders = () => Promise.reject(new Error('the folder cannot be read'));
    clock.advance(openMs);
    await settle();
    expect(probed.map(({ image }) => image.name)).toEqual(['best']);
    expect(breakers.hostStopped()).toBeNull();
  });

  it('takes no image that could not be listed for one that does not start, and tries again', async () => {
    orders = () => Promise.reject(new Error('the folder cannot be read'));
    failTimes(orderOf('bad'));
    await settle();
    expect(breakers.hostStopped()).toBeNull();
    for (const name of ['a', 'b']) breakers.enter(orderOf(name)).failed(broken);
    clock.advance(openMs);
    await settle();
    expect(breakers.told()[0]).toMatchObject({ phase: 'open', failures: 3, retryInMs: openMs });
    orders = async () => [orderOf('good')];
    clock.advance(openMs);
    await settle();
    expect(breakers.hostStopped()).toBeNull();
  });

  it('closes when a start that was under way succeeds after all, and probes no more', () => {
    const late = breakers.enter(orderOf('good'));
    failHost();
    late.succeeded();
    expect(breakers.hostStopped()).toBeNull();
    expect(clock.waiting).toBe(0);
  });

  it('leaves no timer behind when it is closed', async () => {
    failHost();
    await breakers.close();
    expect(clock.waiting).toBe(0);
  });
});
