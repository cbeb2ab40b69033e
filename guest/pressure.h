/** Memory that is all taken: nothing goes on for long then unless something is killed. Only as PID 1. */
#ifndef BLIXARD_PRESSURE_H
#define BLIXARD_PRESSURE_H

/** A descriptor with POLLPRI whenever all that runs has waited for memory too much; -1: this kernel does not tell. */
int pressure_watch(void);

/** Has the kernel kill the process it would kill for memory, if there is one. */
void pressure_relieve(void);

#endif
