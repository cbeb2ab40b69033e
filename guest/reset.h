/** Makes this guest as good as new for the next command: nothing that runs, and no file, is left of the last one. */
#ifndef BLIXARD_RESET_H
#define BLIXARD_RESET_H

/** Notes how the kernel is set before the first command, for `reset_guest` to compare with. NULL. Only as PID 1. */
const char *reset_note(void);

/**
 * Ends every process, takes new name spaces and file systems, and compares what cannot be made anew with what was
 * noted. Returns NULL, or what went wrong: then the guest must not be used. Only as PID 1.
 */
const char *reset_guest(void);

#endif
