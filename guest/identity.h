/** Makes this guest one of its own: clones of a template share the time, the randomness and the names of it. */
#ifndef BLIXARD_IDENTITY_H
#define BLIXARD_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

/**
 * Takes `u64 epoch ns | entropy | host name NUL | machine id NUL | boot id NUL`. Returns NULL, or what went wrong:
 * then the guest must not be used. Only as PID 1.
 */
const char *identity_take(const uint8_t *bytes, size_t length);

/** The boot id as it was last taken, or the kernel's own; its letters and digits only. */
const char *identity_boot_id(void);

/** Its files are gone with the root they were in. */
void identity_forget(void);

#endif
