import { describe, expect, it } from 'vitest';
import { Findings, violationLines } from './findings.ts';
import { RateReplay } from './replay-rates.ts';

const rule = 'I8: a queue or a key was over its rate';
const rates = { fairBy: 'key', rateMax: 2, ratePerMs: 1_000, keyRateMax: 1, keyRatePerMs: 1_000 };
const changed = (data: object) => ({ kind: 'queue.changed', data: JSON.stringify({ queue: 'q', ...data }) });
const claim = (atMs: number, key: string | null = 'a', queue: string | null = 'q') => ({
  ...{ kind: 'job.claimed', at_ms: atMs, queue, concurrency_key: key },
});

/** What is found in these events. */
type Told = ReturnType<typeof changed> | (ReturnType<typeof claim> & { claimedAtMs?: number });

function foundIn(events: readonly Told[]): string[] {
  const found = new Findings();
  const replay = new RateReplay(found);
  for (const event of events)
    if ('data' in event) replay.changed(event);
    else if (event.claimedAtMs === undefined) replay.claimed(event);
    else replay.givenBack({ ...event, claimedAtMs: null }, event.claimedAtMs);
  return violationLines(found.all());
}

const formed = [changed(rates), changed({ ...rates, inLines: 1 })];

describe('the replay of rates', () => {
  it('finds a claim for which there was no token, of a queue and of a key', () => {
    expect(foundIn([...formed, claim(1_000), claim(2_000)])).toEqual([]);
    expect(foundIn([...formed, claim(1_000), claim(2_000), claim(2_001)])).toEqual([
      `${rule}: "q\\na" had no token of 1 in 1000 ms for a claim at 2001`,
    ]);
    expect(foundIn([...formed, claim(1_000, 'a'), claim(1_000, 'b'), claim(1_000, null)])).toEqual([
      `${rule}: "q\\n" had no token of 2 in 1000 ms for a claim at 1000`,
    ]);
  });

  it('takes what had not flowed in of a claim that was given back as there again, and no more', () => {
    const back = (atMs: number, claimedAtMs: number) => ({
      ...claim(atMs),
      kind: 'job.pending',
      claimedAtMs,
    });
    expect(foundIn([...formed, claim(1_000), back(1_000, 1_000), claim(1_000)])).toEqual([]);
    expect(foundIn([...formed, claim(1_000), back(1_400, 1_000), claim(1_400)])).toEqual([]);
    expect(foundIn([...formed, claim(1_000), claim(2_000), back(2_001, 1_000), claim(2_001)])).toHaveLength(
      1,
    );
  });

  it('asks for tokens of keys only from when the lines are formed, and again when there are others', () => {
    expect(foundIn([changed(rates), claim(1_000), claim(1_000)])).toEqual([]);
    const tenants = { fairBy: 'tenant', keyRateMax: null, keyRatePerMs: null };
    const again = [changed({ ...rates, ...tenants }), changed(rates), claim(1_000), claim(1_000)];
    expect(foundIn([...formed, ...again])).toEqual([]);
    expect(foundIn([...formed, changed(rates), claim(1_000), claim(1_000)])).toHaveLength(1);
  });

  it('leaves the bucket of a queue as it is when the rate of each key is changed', () => {
    const slower = changed({ ...rates, keyRatePerMs: 2_000 });
    const two = [claim(1_000, 'a'), claim(1_000, 'b')];
    expect(foundIn([...formed, ...two, slower, claim(1_001, 'a')])).toEqual([
      `${rule}: "q\\n" had no token of 2 in 1000 ms for a claim at 1001`,
    ]);
  });

  it('begins with full buckets when a rate is changed, and leaves forgotten jobs out', () => {
    const slower = changed({ ...rates, keyRatePerMs: 2_000 });
    expect(foundIn([...formed, claim(1_000), slower, claim(1_000)])).toEqual([]);
    expect(foundIn([...formed, claim(1_000), claim(1_000, null, null)])).toEqual([]);
  });

  it('takes buckets for full when the clock was set back, not when two events changed places', () => {
    expect(foundIn([...formed, claim(100_000), claim(50_000)])).toEqual([]);
    expect(foundIn([...formed, claim(100_000), claim(99_990)])).toHaveLength(2);
  });
});
