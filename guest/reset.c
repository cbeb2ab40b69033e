/** Makes this guest as good as new for the next command: nothing that runs, and no file, is left of the last one. */
#include "reset.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot.h"
#include "clock.h"
#include "identity.h"

enum {
    /** A process that does not end by then never will. */
    KILL_MS = 2000,
    /** A longer value of the kernel is compared as far as this. */
    VALUE_BYTES = 4096,
    PATH_BYTES = 4096,
    DEPTH_MAX = 16,
    /** Places of words in lines of /proc. */
    MODULE_SIZE = 1,
    KEYS_OF_USER = 2,
    CGROUPS_OF_KIND = 2,
};

/** PF_KTHREAD, as in field 9 of /proc/PID/stat. */
static const unsigned long KERNEL_THREAD = 0x00200000;

/** Sums over all that a command can change and that no new name space or file system undoes. */
struct kernel {
    uint64_t settings, devices, objects;
};

static struct kernel noted;

static uint64_t mix(uint64_t hash, const void *bytes, size_t length) {
    const uint8_t *from = bytes;
    for (size_t i = 0; i < length; i++) hash = (hash ^ from[i]) * 0x100000001b3;
    return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text) {
    return mix(hash, text, strlen(text) + 1);
}

static uint64_t start_of(const char *path) {
    return mix_text(0xcbf29ce484222325, path);
}

/** Differ without anybody's doing, cost much to read, or are of a name space, which is made anew. */
static bool is_restless(const char *path) {
    static const char *const paths[] = {
        "/proc/sys/net",
        "/proc/sys/fs/binfmt_misc",
        "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/domainname",
        "/proc/sys/kernel/ns_last_pid",
        "/proc/sys/vm/stat_refresh",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        if (strcmp(path, paths[i]) == 0) return true;
    return false;
}

/** Of a file that can be read and written, what is in it. */
static uint64_t sum_of_setting(const char *path, const struct stat *facts) {
    char value[VALUE_BYTES];
    mode_t both = S_IRUSR | S_IWUSR;
    if (!S_ISREG(facts->st_mode) || (facts->st_mode & both) != both) return 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = file < 0 ? -1 : read(file, value, sizeof value);
    if (file >= 0) close(file);
    return mix(start_of(path), value, got < 0 ? 0 : (size_t)got);
}

static uint64_t sum_of_device(const char *path, const struct stat *facts) {
    char target[PATH_BYTES];
    const uint64_t numbers[] = {facts->st_mode, facts->st_uid, facts->st_gid, facts->st_rdev};
    uint64_t hash = mix(start_of(path), numbers, sizeof numbers);
    ssize_t length = S_ISLNK(facts->st_mode) ? readlink(path, target, sizeof target) : 0;
    return length > 0 ? mix(hash, target, (size_t)length) : hash;
}

typedef uint64_t sum_of_file(const char *path, const struct stat *facts);

/** Of all below a folder, in whichever order they are met; not of what else is mounted there. */
static uint64_t sum_of_folder(const char *path, dev_t device, sum_of_file *of, int depth) {
    uint64_t sum = 0;
    DIR *folder = depth > DEPTH_MAX ? NULL : opendir(path);
    if (folder == NULL) return start_of(path);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char inner[PATH_BYTES];
        struct stat facts;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (is_restless(inner)) continue;
        if (lstat(inner, &facts) != 0) sum += start_of(inner);
        else if (facts.st_dev == device) sum += of(inner, &facts);
        if (entry->d_type == DT_DIR && facts.st_dev == device)
            sum += sum_of_folder(inner, device, of, depth + 1);
    }
    closedir(folder);
    return sum;
}

static uint64_t sum_of_tree(const char *path, sum_of_file *of) {
    struct stat facts;
    return lstat(path, &facts) == 0 ? sum_of_folder(path, facts.st_dev, of, 0) : 0;
}

/** Of each line the first word and one more: the others count uses, which come and go. */
static uint64_t sum_of_lines(const char *path, int more) {
    char line[VALUE_BYTES];
    uint64_t lines = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    while (fgets(line, sizeof line, file) != NULL) {
        uint64_t hash = start_of(path);
        char *rest = line, *word;
        for (int at = 0; (word = strtok_r(rest, " \t\n", &rest)) != NULL; at++)
            if (at == 0 || at == more) hash = mix_text(hash, word);
        lines += hash;
    }
    fclose(file);
    return lines;
}

static struct kernel look(void) {
    return (struct kernel){
        .settings = sum_of_tree("/proc/sys", sum_of_setting),
        .devices = sum_of_tree("/dev", sum_of_device),
        .objects = sum_of_lines("/proc/modules", MODULE_SIZE) + sum_of_lines("/proc/key-users", KEYS_OF_USER) +
                   sum_of_lines("/proc/cgroups", CGROUPS_OF_KIND),
    };
}

const char *reset_note(void) {
    noted = look();
    return NULL;
}

/** Whoever forks meanwhile is killed, too: a process with a signal that kills it pending cannot fork. */
static bool end_all(void) {
    uint64_t until = monotonic_ms() + KILL_MS;
    for (;;) {
        kill(-1, SIGKILL);
        pid_t ended;
        do ended = waitpid(-1, NULL, WNOHANG);
        while (ended > 0);
        if (ended < 0 && errno == ECHILD) return true;
        if (monotonic_ms() >= until) return false;
        sleep_1ms();
    }
}

/** Also one that is nobody's child, such as the kernel starts for a dump. */
static bool is_process(const char *pid) {
    char path[PATH_BYTES], line[VALUE_BYTES];
    unsigned long flags = KERNEL_THREAD;
    if (strspn(pid, "0123456789") != strlen(pid) || strcmp(pid, "1") == 0) return false;
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *file = fopen(path, "re");
    const char *name_end = file != NULL && fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
    if (name_end != NULL) sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags);
    if (file != NULL) fclose(file);
    return (flags & KERNEL_THREAD) == 0;
}

static bool is_alone(void) {
    bool alone = true;
    DIR *all = opendir("/proc");
    if (all == NULL) return false;
    for (struct dirent *entry; alone && (entry = readdir(all)) != NULL;) alone = !is_process(entry->d_name);
    closedir(all);
    return alone;
}

const char *reset_guest(void) {
    if (!end_all()) return "a process does not end";
    if (unshare(CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWCGROUP) != 0)
        return "there are no new name spaces";
    identity_forget();
    if (boot_renew() != 0) return "there is no new root";
    if (!is_alone()) return "a process is left";
    struct kernel now = look();
    if (now.settings != noted.settings) return "a setting of the kernel was changed";
    if (now.devices != noted.devices) return "a device was changed";
    if (now.objects != noted.objects) return "a module, a key or a control group was left";
    return NULL;
}
