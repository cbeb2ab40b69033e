/** What a submission may say of how much of its microVM the command may take, besides memory and processors. */
import { limits } from '../domain/limits.ts';
import { diskMiBMax } from '../domain/vm-size.ts';
import { type Static, Type } from './typebox.ts';

/** All may be left out, and what is left out is not in the spec. */
export const guestLimits = {
  diskMiB: Type.Optional(
    Type.Integer({
      minimum: limits.diskMiBMin,
      maximum: diskMiBMax(limits.memoryMiBMax),
      description:
        `room for all that it writes, wherever, which lies in the memory of its VM: at most ` +
        `${limits.diskMemoryPercent} % of memoryMiB less ${limits.diskMemoryKeptMiB}, or ${limits.diskMiBMin}; ` +
        'what the guest can hold when left out',
    }),
  ),
  pids: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: limits.pidsMax,
      description: 'processes and threads at once; as many as the guest has room for when left out',
    }),
  ),
};

const GuestLimits = Type.Object(guestLimits);
export type GuestLimits = Static<typeof GuestLimits>;

/** The limits that were given. */
export function guestLimitsOf({ diskMiB, pids }: GuestLimits): GuestLimits {
  return { ...(diskMiB === undefined ? {} : { diskMiB }), ...(pids === undefined ? {} : { pids }) };
}
