/** Times in milliseconds. */
#ifndef BLIXARD_CLOCK_H
#define BLIXARD_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ms(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/** Never goes back; for durations. */
static inline uint64_t monotonic_ms(void) {
    return clock_ms(CLOCK_MONOTONIC);
}

static inline void sleep_1ms(void) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

#endif
