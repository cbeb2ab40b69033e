/**
 * A command that takes all memory makes the kernel drop and read again the pages of programs, for minutes: it kills
 * only when it finds none to drop. So the agent, whose own pages are never dropped, asks it to when all that runs
 * waits.
 * (The kernel's own guard, lru_gen/min_ttl_ms, also kills who just writes or reads fast, and panics when none is left.)
 */
#include "pressure.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

/** Microseconds of waiting within microseconds, see Documentation/accounting/psi.rst. */
static const char threshold[] = "full 300000 1000000";

int pressure_watch(void) {
    int file = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (file >= 0 && write(file, threshold, sizeof threshold) > 0) return file;
    report("cannot watch the pressure on memory: %s", strerror(errno));
    if (file >= 0) close(file);
    return -1;
}

void pressure_relieve(void) {
    int file = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, "f", 1) < 0) report("cannot relieve memory: %s", strerror(errno));
    if (file >= 0) close(file);
}
