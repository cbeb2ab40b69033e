/** Health and totals on the wire. */
import { oneOf, strict } from './schema.ts';
import { type Static, Type } from './typebox.ts';

export const Health = strict({ status: oneOf(['ok']), version: Type.String() });
export const Ready = strict({
  status: oneOf(['ready', 'not-ready']),
  store: Type.String({ description: 'ok, or what is wrong' }),
});
export const Stats = strict({
  jobs: Type.Array(
    strict({ queue: Type.String(), state: Type.String(), count: Type.Integer({ minimum: 0 }) }),
    { description: 'counts kept by the writes, states with none left out' },
  ),
  workersOnline: Type.Integer({ minimum: 0 }),
});
export type Stats = Static<typeof Stats>;
