import { expect, it } from 'vitest';
import { defaults } from '../domain/defaults.ts';
import { BlixardError } from '../domain/errors.ts';
import { FakeClock } from '../platform/clock.ts';
import { silentLog } from '../platform/log.ts';
import { seededRandom } from '../platform/random.ts';
import { AttemptCaller } from './attempt-caller.ts';

const down = async (): Promise<never> => {
  throw new BlixardError('STORE_UNAVAILABLE', { problem: 'input/output error' });
};

function scene() {
  const clock = new FakeClock();
  const kill = new AbortController();
  const state = { away: false, fenced: 0 };
  const caller = new AttemptCaller({
    ...{ clock, random: seededRandom(1), log: silentLog, kill: kill.signal },
    isServerAway: () => state.away,
    onFenced: () => {
      state.fenced++;
    },
  });
  return { clock, kill, state, caller };
}

/** What came of a call, once it has an end. */
function follow(call: Promise<unknown>): { end: unknown } {
  const followed: { end: unknown } = { end: 'none yet' };
  call.then(
    (value) => {
      followed.end = value;
    },
    (error: unknown) => {
      followed.end = error;
    },
  );
  return followed;
}

it('gives up on a server that is there and never takes it, so that the attempt can end', async () => {
  const { clock, caller } = scene();
  const asked = follow(caller.ask('putArtifact', down));
  for (let ms = 0; ms < defaults.outputDrainMs - 1_000; ms += 1_000) await clock.advance(1_000);
  expect(asked.end).toBe('none yet');
  for (let ms = 0; ms < 2_000; ms += 500) await clock.advance(500);
  expect(asked.end).toMatchObject({ code: 'OVERLOADED' });
});

it('waits for one that is away, and gives it its time when it is back', async () => {
  const { clock, state, caller } = scene();
  state.away = true;
  let isDown = true;
  const asked = follow(caller.ask('putArtifact', async () => (isDown ? down() : 'taken')));
  for (let ms = 0; ms < 10 * defaults.outputDrainMs; ms += 1_000) await clock.advance(1_000);
  expect(asked.end).toBe('none yet');
  state.away = false;
  isDown = false;
  for (let ms = 0; ms < 10_000; ms += 1_000) await clock.advance(1_000);
  expect(asked.end).toBe('taken');
});

it('ends at once with what the server refuses, with a full disk, and with the attempt', async () => {
  const { kill, state, caller } = scene();
  for (const code of ['FENCED', 'DISK_FULL', 'ARTIFACT_REFUSED'] as const) {
    const refused = caller.ask('putArtifact', async () => {
      throw new BlixardError(code);
    });
    await expect(refused).rejects.toMatchObject({ code });
  }
  expect(state.fenced).toBe(1);
  const asked = caller.ask('putArtifact', down);
  kill.abort();
  await expect(asked).rejects.toThrow();
});
