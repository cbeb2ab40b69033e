/** Makes this guest one of its own: clones of a template share the time, the randomness and the names of it. */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"

enum { TIME_BYTES = 8, NAMES = 3, NANOSECONDS = 1000000000 };

/** As random(4) says; musl's compiler has no headers of the kernel. */
struct pool_info {
    int entropy_bits;
    int bytes;
    uint8_t buffer[ENTROPY_BYTES];
};
#define ADD_ENTROPY _IOW('R', 0x03, int[2])
#define RESEED _IO('R', 0x07)

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static bool set_time(const uint8_t *bytes) {
    uint64_t ns = (uint64_t)read_u32(bytes + 4) << 32 | read_u32(bytes);
    struct timespec now = {.tv_sec = (time_t)(ns / NANOSECONDS), .tv_nsec = (long)(ns % NANOSECONDS)};
    return clock_settime(CLOCK_REALTIME, &now) == 0;
}

/** A file that is written with every identity: it stays open, and is as long as its text. */
struct kept {
    const char *path;
    int flags, fd;
    off_t length;
};

static struct kept generator = {.path = "/dev/urandom", .flags = O_RDWR, .fd = -1};
static struct kept machine_id = {.path = "/etc/machine-id", .flags = O_WRONLY | O_CREAT | O_TRUNC, .fd = -1};
static struct kept boot_id = {.path = "/run/boot_id", .flags = O_WRONLY | O_CREAT | O_TRUNC, .fd = -1};
/** The file with the boot id is laid over the kernel's own. */
static bool laid;
/** Empty: not known. */
static char boot_id_told[HOST_NAME_LENGTH + 1];

static bool open_kept(struct kept *file) {
    if (file->fd < 0) file->fd = open(file->path, file->flags | O_CLOEXEC, 0444);
    return file->fd >= 0;
}

static void forget(struct kept *file) {
    if (file->fd >= 0) close(file->fd);
    file->fd = -1;
    file->length = 0;
}

void identity_forget(void) {
    forget(&generator);
    forget(&machine_id);
    forget(&boot_id);
    laid = false;
    boot_id_told[0] = 0;
}

/** Credited, and the generator made anew from it at once: what it gave before is the same in every clone. */
static bool add_entropy(const uint8_t *bytes) {
    struct pool_info entropy = {.entropy_bits = 8 * ENTROPY_BYTES, .bytes = ENTROPY_BYTES};
    memcpy(entropy.buffer, bytes, ENTROPY_BYTES);
    return open_kept(&generator) && ioctl(generator.fd, ADD_ENTROPY, &entropy) == 0 &&
           ioctl(generator.fd, RESEED) == 0;
}

static bool write_line(struct kept *file, const char *text) {
    char line[HOST_NAME_LENGTH + 2];
    int length = snprintf(line, sizeof line, "%s\n", text);
    if (!open_kept(file) || pwrite(file->fd, line, (size_t)length, 0) != length) return false;
    bool shorter = length < file->length;
    file->length = length;
    return !shorter || ftruncate(file->fd, length) == 0;
}

/** The kernel makes its boot id once, so the file with the new one is laid over it; the second time it lies there. */
static bool set_boot_id(const char *id) {
    if (boot_id.fd < 0) mkdir("/run", 0755);
    if (!write_line(&boot_id, id)) return false;
    if (!laid) laid = mount(boot_id.path, BOOT_ID, NULL, MS_BIND, NULL) == 0;
    snprintf(boot_id_told, sizeof boot_id_told, "%s", id);
    return laid;
}

const char *identity_boot_id(void) {
    if (boot_id_told[0] == 0) {
        FILE *file = fopen(BOOT_ID, "re");
        if (file == NULL || fgets(boot_id_told, sizeof boot_id_told, file) == NULL) boot_id_told[0] = 0;
        if (file != NULL) fclose(file);
    }
    boot_id_told[strspn(boot_id_told, "0123456789abcdef-")] = 0;
    return boot_id_told;
}

/** Points `names` at the strings from `bytes` on. False: they are not exactly those, or too long. */
static bool cut(const char *names[NAMES], const uint8_t *bytes, size_t length) {
    size_t from = 0;
    for (size_t i = 0; i < NAMES; i++) {
        size_t end = from;
        while (end < length && bytes[end] != 0) end++;
        if (end == length || end == from || end - from > HOST_NAME_LENGTH) return false;
        names[i] = (const char *)bytes + from;
        from = end + 1;
    }
    return from == length;
}

const char *identity_take(const uint8_t *bytes, size_t length) {
    const char *names[NAMES];
    size_t head = TIME_BYTES + ENTROPY_BYTES;
    if (length < head || !cut(names, bytes + head, length - head)) return "the identity is malformed";
    if (!add_entropy(bytes + TIME_BYTES)) return "the entropy was not taken";
    if (sethostname(names[0], strlen(names[0])) != 0) return "the host name was not taken";
    if (!write_line(&machine_id, names[1])) return "the machine id was not taken";
    if (!set_boot_id(names[2])) return "the boot id was not taken";
    /* Last, so that the rest does not make it late. */
    if (!set_time(bytes)) return "the time was not taken";
    return NULL;
}
