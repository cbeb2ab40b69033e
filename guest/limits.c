/** What a command may take of its VM: room for what it writes, and processes. Only as PID 1. */
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/** A write of a page or more fails with less; programs often leave the last pages unused. */
enum { ROOM_BYTES = 64 * 1024 };

/**
 * Of the memory that is available after the boot this much, and one part of so many, is kept from files: for the
 * command itself, and for what the kernel has about each file. The least room is what `--disk` may ask for.
 */
enum { RESERVE_BYTES = 16 * 1024 * 1024, RESERVE_PART = 8, ROOM_BYTES_MIN = 4 * 1024 * 1024 };

/** -1: none is kept. */
static int changes = -1;
/** Where a process writes to be counted; -1: there is no limit. */
static int members = -1;
static bool cut;

static void forget(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

void limits_keep(const char *path) {
    forget(&members);
    forget(&changes);
    changes = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

unsigned long long limits_room(void) {
    static unsigned long long room;
    char line[128];
    unsigned long long kib = 0;
    FILE *file = room > 0 ? NULL : fopen("/proc/meminfo", "re");
    while (file != NULL && kib == 0 && fgets(line, sizeof line, file) != NULL)
        sscanf(line, "MemAvailable: %llu kB", &kib);
    if (file != NULL) fclose(file);
    if (room > 0) return room;
    unsigned long long available = kib * 1024, reserve = RESERVE_BYTES + available / RESERVE_PART;
    room = available > reserve + ROOM_BYTES_MIN ? available - reserve : ROOM_BYTES_MIN;
    return room;
}

/** All that is written anywhere has this much room together, and never more than the guest can hold. */
static int limit_disk(unsigned long long bytes) {
    char path[64], options[64];
    if (changes < 0) return 0;
    cut = bytes > limits_room();
    if (bytes == 0 || cut) bytes = limits_room();
    snprintf(options, sizeof options, "size=%llu,mode=755", bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", changes);
    return mount("none", path, NULL, MS_REMOUNT, options) == 0 ? 0 : errno;
}

static int put(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    int cause = file < 0 || write(file, text, strlen(text)) < 0 ? errno : 0;
    if (file >= 0) close(file);
    return cause;
}

/** Mounted by the first job that wants it: no boot pays for it. */
static int make_group(void) {
    static const char *const group = "/sys/fs/cgroup/command";
    if (access("/sys/fs/cgroup/cgroup.procs", F_OK) != 0 &&
        mount("cgroup", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
        return errno;
    int cause = put("/sys/fs/cgroup/cgroup.subtree_control", "+pids");
    if (cause != 0) return cause;
    return mkdir(group, 0755) == 0 || errno == EEXIST ? 0 : errno;
}

static int limit_pids(unsigned long long pids) {
    forget(&members);
    if (pids == 0) return 0;
    char text[32];
    snprintf(text, sizeof text, "%llu", pids);
    int cause = make_group();
    if (cause == 0) cause = put("/sys/fs/cgroup/command/pids.max", text);
    if (cause != 0) return cause;
    members = open("/sys/fs/cgroup/command/cgroup.procs", O_WRONLY | O_CLOEXEC);
    return members < 0 ? errno : 0;
}

int limits_set(const struct spec *spec) {
    char **argv = spec->argv;
    if (argv[1] == NULL || argv[2] == NULL) return EINVAL;
    /* Anyone but PID 1 of a VM would limit the host it runs on. */
    if (getpid() != 1) return EPERM;
    int cause = limit_disk(strtoull(argv[1], NULL, 10));
    return cause != 0 ? cause : limit_pids(strtoull(argv[2], NULL, 10));
}

bool limits_are_cut(void) {
    return cut;
}

int limits_join(pid_t process) {
    return members < 0 || dprintf(members, "%d", (int)process) > 0 ? 0 : errno;
}

static bool is_full(const char *path) {
    struct statvfs room;
    if (statvfs(path, &room) != 0) return false;
    return (uint64_t)room.f_bavail * room.f_frsize < ROOM_BYTES || (room.f_files > 0 && room.f_favail == 0);
}

bool limits_disk_is_full(void) {
    return getpid() == 1 && (is_full("/") || is_full("/tmp"));
}
