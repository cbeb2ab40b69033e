import { expect, test } from 'vitest';
import { jsonTextOf } from '../json-text.ts';
import { noClaims } from './claims.ts';
import { toldWork } from './told-work.ts';

const rest = {
  cancel: [{ jobId: 'a', attempt: 2 }],
  fenced: [],
  unstarted: [],
  state: 'online' as const,
  leaseUntilMs: 1_700_000_015_000,
};

test('an answer with claims has the text that its values have', () => {
  const claimed = [{ jobId: 'a', attempt: 1, spec: { command: ['echo', '],["}\n'], memoryMiB: 64 } }];
  const told = toldWork({ ids: ['a'], text: JSON.stringify(claimed) }, rest);
  expect(JSON.parse(jsonTextOf(told))).toEqual({ claimed, ...rest });
  expect(JSON.parse(JSON.stringify(told))).toEqual({ claimed, ...rest });
  expect(told).toMatchObject({ claimed, ...rest });
  expect(told.claimed).toBe(told.claimed);
});

test('an answer without claims is plain', () => {
  expect(toldWork(noClaims, rest)).toEqual({ claimed: [], ...rest });
});
