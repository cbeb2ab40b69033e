/**
 * Processes that the kernel may kill last for memory: where it finds none to kill, it panics. It looks again while the
 * memory of what it has just killed is not free yet, and would have nothing left then: commands end by its first kill.
 */
#include "sentry.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/** One is there while another is being replaced. */
enum { SENTRIES = 3 };

/** 0: the place is free. */
static pid_t sentries[SENTRIES];

_Noreturn static void stand(void) {
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file >= 0) dprintf(file, "-999");
    /* Pipes of others would not end with it here. */
    syscall(SYS_close_range, 0, ~0U, 0);
    for (;;) pause();
}

void sentries_start(void) {
    if (getpid() != 1) return;
    for (size_t i = 0; i < SENTRIES; i++) {
        if (sentries[i] != 0) continue;
        pid_t pid = fork();
        if (pid == 0) stand();
        if (pid > 0) sentries[i] = pid;
    }
}

void sentries_forget(pid_t pid) {
    for (size_t i = 0; i < SENTRIES; i++)
        if (sentries[i] == pid) sentries[i] = 0;
    sentries_start();
}

void sentries_forget_all(void) {
    for (size_t i = 0; i < SENTRIES; i++) sentries[i] = 0;
}
