/** How bad the world of one run is. */
import type { Chance } from './chance.ts';

/** Shares of messages, commits and moments that something happens to. */
export interface Profile {
  readonly loseRequest: number;
  readonly loseAnswer: number;
  readonly twice: number;
  /** Of messages that take seconds. */
  readonly slow: number;
  readonly storeRefuses: number;
  readonly storeLosesAnswer: number;
  readonly crashAtCommit: number;
  /** How often, compared with an act of a user, a fault of each kind comes. */
  readonly crashControl: number;
  readonly stopControl: number;
  readonly crashWorker: number;
  readonly stopWorker: number;
  readonly drainWorker: number;
  readonly stepClock: number;
  /** Of attempts whose VM fails before the command begins. */
  readonly bootFails: number;
}

export const calm: Profile = {
  loseRequest: 0,
  loseAnswer: 0,
  twice: 0,
  slow: 0,
  storeRefuses: 0,
  storeLosesAnswer: 0,
  crashAtCommit: 0,
  crashControl: 0,
  stopControl: 0,
  crashWorker: 0,
  stopWorker: 0,
  drainWorker: 0,
  stepClock: 0,
  bootFails: 0,
};

/** Nothing happens to messages or processes: no worker may be taken for lost, whatever the clock does. */
export function isCalm({ stepClock: _, ...trouble }: Profile): boolean {
  return Object.values(trouble).every((share) => share === 0);
}

/** Most runs have a few kinds of trouble, some all, some none: a fault hides behind another one. */
export function profileOf(chance: Chance): Profile {
  const mood = chance.random.unit();
  if (mood < 0.08) return { ...calm, stepClock: chance.pick([0, 1]) };
  const share = mood < 0.3 ? 1 : 0.4;
  const some = (value: number): number => (chance.of(share) ? value : 0);
  return {
    loseRequest: some(0.05),
    loseAnswer: some(0.06),
    twice: some(0.06),
    slow: some(0.04),
    storeRefuses: some(0.01),
    storeLosesAnswer: some(0.01),
    crashAtCommit: some(0.006),
    crashControl: some(0.8),
    stopControl: some(0.4),
    crashWorker: some(1.2),
    stopWorker: some(1.2),
    drainWorker: some(0.6),
    stepClock: some(0.5),
    bootFails: some(0.15),
  };
}
