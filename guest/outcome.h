/** The end of a command: collects ended processes, waits for the last output, tells the host. */
#ifndef BLIXARD_OUTCOME_H
#define BLIXARD_OUTCOME_H

#include "channel.h"
#include "streams.h"
#include "zygote.h"

/** Kills of the kernel's out-of-memory killer since boot; 0 where the kernel does not count them. */
uint64_t outcome_oom_kills(void);

/** Ends a stream that has no process; what its pipe holds is still sent. */
void outcome_end(struct stream *stream);

/** Collects every ended process, also orphans that are nobody's. */
void outcome_reap(struct streams *streams, struct zygotes *zygotes);

/** Ends each stream whose command and output are over, as far as the channel has room. */
void outcome_tell(struct channel *channel, struct streams *streams);

/** Milliseconds until a stream's drain time is over; -1: none is draining. */
int outcome_wait_ms(const struct streams *streams);

#endif
