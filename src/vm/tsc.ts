/**
 * The rate of the host's time stamp counter. Software emulation hands it to the guest, whose own calibration
 * fails when its thread is not running, and then the boot never ends; so the guest is told the rate.
 */
import { type Clock, sleep } from '../platform/clock.ts';

/** One look at the guest's counter. */
export interface TscSample {
  readonly tsc: bigint;
  readonly roundTripMs: number;
  /** Monotonic, middle of the round trip. */
  readonly atMs: number;
}

/** Best of 30 round trips at both ends, 1 s apart: within 31 ppm of the true rate in 8 of 8 runs. */
const samplesPerEnd = 30;
const apartMs = 1_000;
const tolerance = 200e-6;
/** No CPU counts slower or faster; such a measurement is wrong. */
const plausibleKhz = { min: 100_000, max: 10_000_000 };

/** `cpu MHz` of /proc/cpuinfo in kHz, undefined when it is not there. Right where the CPU runs at its nominal rate. */
export function tscKhzOfCpuinfo(cpuinfo: string): number | undefined {
  const match = /^cpu MHz\s*:\s*([\d.]+)/m.exec(cpuinfo);
  return match === null ? undefined : Math.round(Number(match[1]) * 1_000);
}

/** Measures the rate, in kHz, through a running guest. Rejects when a ping does. */
export async function measureTscKhz(ping: () => Promise<TscSample>, clock: Clock): Promise<number> {
  const start = await bestSample(ping);
  await sleep(clock, apartMs);
  const end = await bestSample(ping);
  return Math.round(Number(end.tsc - start.tsc) / (end.atMs - start.atMs));
}

/** The rate to tell guests: the assumed one, unless a plausible measurement is more than 200 ppm away from it. */
export function betterTscKhz(assumed: number | undefined, measured: number): number | undefined {
  if (!(measured >= plausibleKhz.min && measured <= plausibleKhz.max)) return assumed;
  if (assumed === undefined) return measured;
  return Math.abs(measured - assumed) / assumed > tolerance ? measured : assumed;
}

async function bestSample(ping: () => Promise<TscSample>): Promise<TscSample> {
  let best = await ping();
  for (let taken = 1; taken < samplesPerEnd; taken++) {
    const sample = await ping();
    if (sample.roundTripMs < best.roundTripMs) best = sample;
  }
  return best;
}
