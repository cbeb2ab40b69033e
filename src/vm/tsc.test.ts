import { expect, it } from 'vitest';
import { FakeClock } from '../platform/clock.ts';
import { betterTscKhz, measureTscKhz, tscKhzOfCpuinfo } from './tsc.ts';

it('reads the rate of /proc/cpuinfo, when it is there', () => {
  expect(tscKhzOfCpuinfo('model name\t: X\ncpu MHz\t\t: 2599.998\ncache size\t: 1 KB\n')).toBe(2_599_998);
  expect(tscKhzOfCpuinfo('processor : 0\nBogoMIPS : 50\n')).toBeUndefined();
});

it('measures the true rate, slow answers not counted', async () => {
  const clock = new FakeClock();
  let pings = 0;
  const ping = async () => {
    const roundTripMs = ++pings % 30 === 7 ? 0.1 : 9;
    const atMs = clock.monotonicMs();
    // A slow answer tells of a moment that is not the middle of its round trip.
    const skewMs = roundTripMs > 1 ? 4 : 0;
    return { tsc: BigInt(Math.round((atMs + skewMs) * 2_599_998)), roundTripMs, atMs };
  };
  const measuring = measureTscKhz(ping, clock);
  while (clock.waiting === 0) await Promise.resolve();
  clock.advance(1_000);
  expect(await measuring).toBe(2_599_998);
});

it('takes a measurement more than 200 ppm away, and no nonsense', () => {
  expect(betterTscKhz(2_600_000, 2_600_100)).toBe(2_600_000);
  expect(betterTscKhz(2_596_122, 2_599_998)).toBe(2_599_998);
  expect(betterTscKhz(undefined, 2_599_998)).toBe(2_599_998);
  expect(betterTscKhz(2_600_000, Number.NaN)).toBe(2_600_000);
  expect(betterTscKhz(2_600_000, -3)).toBe(2_600_000);
  expect(betterTscKhz(undefined, 1)).toBeUndefined();
});
