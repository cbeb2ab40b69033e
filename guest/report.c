/** Tells problems where the host sees them: the kernel log of a VM, or standard error. */
#include "report.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void report(const char *format, ...) {
    char line[512];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    int log = getpid() == 1 ? open("/dev/kmsg", O_WRONLY | O_CLOEXEC) : -1;
    /* Level 3 is an error: it reaches the serial console also with the kernel argument `quiet`. */
    if (log >= 0) dprintf(log, "<3>blixard agent: %s\n", line);
    else dprintf(STDERR_FILENO, "blixard agent: %s\n", line);
    if (log >= 0) close(log);
}
