/** The agent's one loop: waits for the host, for commands and for their pipes, and blocks on none of them. */
#ifndef BLIXARD_LOOP_H
#define BLIXARD_LOOP_H

#include "verbs.h"

enum ending { ENDING_ASKED, ENDING_BROKEN, ENDING_HOST_GONE };

/**
 * Serves the host at `agent->channel.fd`. A virtio port has no host for a moment after boot, so a missing one
 * is waited for, up to `host_wait_ms`.
 */
enum ending loop_run(struct agent *agent, uint64_t host_wait_ms);

#endif
