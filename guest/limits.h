/** What a command may take of its VM: room for what it writes, and processes. Only as PID 1. */
#ifndef BLIXARD_LIMITS_H
#define BLIXARD_LIMITS_H

#include <stdbool.h>

#include "spec.h"

/** Keeps hold of a file system in memory that lies below the root, which no path leads to later. */
void limits_keep(const char *path);

/** `limits DISK_BYTES PIDS`; 0 takes a limit away. Returns 0, or errno. */
int limits_set(const struct spec *spec);

/** In a new process, before its command: puts it, and all it starts, under the limit. Returns 0, or errno. */
int limits_join(void);

/** True: there is no room left where commands write. */
bool limits_disk_is_full(void);

#endif
