/** What the agent says about itself and its guest. */
#include "facts.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "clock.h"
#include "identity.h"
#include "protocol.h"

uint64_t facts_tsc(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return 0;
#endif
}

/** Cuts the text before the first character that would need an escape in JSON. */
static void cut_to_plain(char *text) {
    while (isprint((unsigned char)*text) && *text != '"' && *text != '\\') text++;
    *text = 0;
}

size_t facts_write(char *json, size_t room, const char *token) {
    struct utsname system = {.release = ""};
    struct sysinfo memory = {.mem_unit = 1};
    uname(&system);
    cut_to_plain(system.release);
    sysinfo(&memory);
    int length = snprintf(
        json, room,
        "{\"version\":%d,\"token\":\"%s\",\"bootId\":\"%s\",\"kernel\":\"%s\",\"uptimeMs\":%llu,"
        "\"timeMs\":%llu,\"memoryKiB\":%llu}",
        PROTOCOL_VERSION, token, identity_boot_id(), system.release, (unsigned long long)clock_ms(CLOCK_BOOTTIME),
        (unsigned long long)clock_ms(CLOCK_REALTIME),
        (unsigned long long)memory.totalram * memory.mem_unit / 1024);
    return length < 0 ? 0 : (size_t)length;
}
