/** Processes that the kernel may kill last for memory: where it finds none to kill, it panics. Only as PID 1. */
#ifndef BLIXARD_SENTRY_H
#define BLIXARD_SENTRY_H

#include <sys/types.h>

/** Starts those that are not there. */
void sentries_start(void);

/** This process has ended and was collected; if it was one of them, another takes its place. */
void sentries_forget(pid_t pid);

/** All have ended and were collected. */
void sentries_forget_all(void);

#endif
