/** Does what the frames of the host ask. Bad frames are refused by name; they never end the agent. */
#ifndef BLIXARD_VERBS_H
#define BLIXARD_VERBS_H

#include "channel.h"
#include "streams.h"
#include "zygote.h"

struct agent {
    struct channel channel;
    struct streams streams;
    struct zygotes zygotes;
    /** Tells when memory is all taken; -1: nothing does. */
    int pressure;
};

enum verdict {
    VERDICT_GO_ON,
    /** The host asked for the end. */
    VERDICT_STOP,
    /** What the host sends cannot be cut into frames any more. */
    VERDICT_BROKEN,
};

/** Handles the frames that have arrived, as long as their replies find room. */
enum verdict verbs_handle(struct agent *agent);

#endif
