/** What a command may take of its VM: room for what it writes, and processes. Only as PID 1. */
#ifndef BLIXARD_LIMITS_H
#define BLIXARD_LIMITS_H

#include <stdbool.h>
#include <sys/types.h>

#include "spec.h"

/** Keeps hold of the file system in memory below a new root, which no path leads to later; there are no limits yet. */
void limits_keep(const char *path);

/** Bytes that files may take of the memory of this guest; found out at the first call, after the boot of the kernel. */
unsigned long long limits_room(void);

/** `limits DISK_BYTES PIDS`; 0 takes a limit away. Returns 0, or errno. */
int limits_set(const struct spec *spec);

/** Files have less room than was asked for last: all that this guest can hold. */
bool limits_are_cut(void);

/** Puts a process, and all it starts, under the limit; 0 is the one that calls. Returns 0, or errno. */
int limits_join(pid_t process);

/** True: there is no room left where commands write. */
bool limits_disk_is_full(void);

#endif
