/** Tells problems where the host sees them: the kernel log of a VM, or standard error. */
#ifndef BLIXARD_REPORT_H
#define BLIXARD_REPORT_H

/** One line, made as printf makes it. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
