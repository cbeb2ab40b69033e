/** Makes a usable system out of a fresh kernel: file systems, modules, the root disk. Only as PID 1. */
#ifndef BLIXARD_BOOT_H
#define BLIXARD_BOOT_H

void boot_system(void);

/**
 * Another root, as the first was when it was new, and all that goes with it. 0, or -1: then the system is of no use.
 * Nobody else may run.
 */
int boot_renew(void);

/** Writes back what is in memory and ends the VM: QEMU is told not to start it again. */
_Noreturn void boot_power_off(void);

#endif
