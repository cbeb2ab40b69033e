/** The end of a command: collects ended processes, waits for the last output, tells the host. */
#ifndef BLIXARD_OUTCOME_H
#define BLIXARD_OUTCOME_H

#include "channel.h"
#include "streams.h"
#include "zygote.h"

/** Processes that the kernel has killed for memory up to now are no command's to come. After a boot there are none. */
void outcome_note_oom(void);

/** Before the process of a stream starts: kills for memory up to now are not its own. Costs nothing after a note. */
void outcome_begin(struct stream *stream);

/** Ends a stream that has no process; what its pipe holds is still sent. */
void outcome_end(struct stream *stream);

/** Collects every ended process, also orphans that are nobody's. */
void outcome_reap(struct streams *streams, struct zygotes *zygotes);

/** Ends each stream whose command and output are over, as far as the channel has room. */
void outcome_tell(struct channel *channel, struct streams *streams);

/** Milliseconds until a stream's drain time is over; -1: none is draining. */
int outcome_wait_ms(const struct streams *streams);

#endif
