/** Makes a usable system out of a fresh kernel: file systems, modules, the root disk. Only as PID 1. */
#include "boot.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "limits.h"
#include "report.h"

/** How long the root disk may take to show up; it is there within some milliseconds of its module. */
enum { DISK_WAIT_MS = 5000 };

static int attach(const char *source, const char *target, const char *type, unsigned long flags,
                  const char *options) {
    mkdir(target, 0755);
    int result = mount(source, target, type, flags, options);
    if (result != 0) report("cannot mount %s at %s: %s", source, target, strerror(errno));
    return result;
}

static void load_module(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || (syscall(SYS_finit_module, file, "", 0) != 0 && errno != EEXIST))
        report("cannot load the module %s: %s", path, strerror(errno));
    if (file >= 0) close(file);
    /* The initramfs lies in memory that the commands can use better. */
    unlink(path);
}

/** Loads the modules that /modules.txt lists, one path a line, in its order. */
static void load_modules(void) {
    FILE *list = fopen("/modules.txt", "re");
    char path[256];
    if (list == NULL) return;
    while (fgets(path, sizeof path, list) != NULL) {
        path[strcspn(path, "\n")] = 0;
        if (path[0] != 0) load_module(path);
    }
    fclose(list);
}

/** The initramfs, which stays below the root; -1: it is the root. */
static int initramfs = -1;

/** The kernel's own file systems, where they are not yet. */
static int attach_kernel(void) {
    int failed = attach("dev", "/dev", "devtmpfs", 0, NULL);
    /* Nodes take no room; files would take memory beside the one file system for them. */
    if (mount(NULL, "/dev", NULL, MS_REMOUNT, "size=1m,mode=755") != 0)
        report("cannot bound /dev: %s", strerror(errno));
    failed |= attach("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    failed |= attach("sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    return failed;
}

static int attach_disk(const char *device, const char *type) {
    for (int waited = 0; access(device, F_OK) != 0 && waited < DISK_WAIT_MS; waited++) sleep_1ms();
    return attach(device, "/disk", type, MS_RDONLY, NULL);
}

/** A folder of the one file system in memory, shown where everybody may write; it has the room of that one. */
static int open_to_all(const char *folder, const char *target) {
    mkdir(folder, 01777);
    if (chmod(folder, 01777) != 0 || attach(folder, target, NULL, MS_BIND, NULL) != 0) return -1;
    return mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV, NULL);
}

/**
 * The read-only disk below, a new file system in memory above, both shown as one at /root.new. It is the only one:
 * with more of them, each bounded, all of them together would take more memory than there is.
 */
static int lay_over(void) {
    char options[64];
    snprintf(options, sizeof options, "size=%llu,mode=755", limits_room());
    if (attach("changes", "/changes", "tmpfs", 0, options) != 0) return -1;
    limits_keep("/changes");
    mkdir("/changes/upper", 0755);
    mkdir("/changes/work", 0755);
    mkdir("/changes/run", 0755);
    if (attach("root", "/root.new", "overlay", 0,
               "lowerdir=/disk,upperdir=/changes/upper,workdir=/changes/work") != 0)
        return -1;
    /* In the same memory, but not by way of the overlay, which makes files twice: here lie the run directories. */
    if (attach("/changes/run", "/root.new/run", NULL, MS_BIND, NULL) != 0) return -1;
    return open_to_all("/changes/tmp", "/root.new/tmp") | open_to_all("/changes/shm", "/dev/shm");
}

static int move_into(const char *target) {
    static const char *const mounts[] = {"/proc", "/sys", "/dev"};
    for (size_t i = 0; i < sizeof mounts / sizeof mounts[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s%s", target, mounts[i]);
        if (attach(mounts[i], path, NULL, MS_MOVE, NULL) != 0) return -1;
    }
    if (chdir(target) == 0 && mount(".", "/", NULL, MS_MOVE, NULL) == 0 && chroot(".") == 0 &&
        chdir("/") == 0)
        return 0;
    report("cannot make %s the root: %s", target, strerror(errno));
    return -1;
}

/** The kernel hands `vmroot=DEVICE,TYPE` on in the environment. Without one the initramfs stays the root. */
static void enter_root(void) {
    char device[64], type[16];
    const char *root = getenv("vmroot");
    if (root == NULL) return;
    if (sscanf(root, "%63[^,],%15s", device, type) != 2) report("vmroot=%s is not DEVICE,TYPE", root);
    else if ((initramfs = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) >= 0 &&
             attach_disk(device, type) == 0 && lay_over() == 0 && move_into("/root.new") == 0)
        return;
    boot_power_off();
}

/** Commands expect to reach themselves at 127.0.0.1, also in a VM without a network. */
static void raise_loopback(void) {
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (any < 0 || ioctl(any, SIOCSIFFLAGS, &request) != 0)
        report("cannot raise the loopback interface: %s", strerror(errno));
    if (any >= 0) close(any);
}

static void link_descriptors(void) {
    static const char *const links[][2] = {
        {"/proc/self/fd", "/dev/fd"},
        {"/proc/self/fd/0", "/dev/stdin"},
        {"/proc/self/fd/1", "/dev/stdout"},
        {"/proc/self/fd/2", "/dev/stderr"},
    };
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        if (symlink(links[i][0], links[i][1]) != 0 && errno != EEXIST)
            report("cannot link %s: %s", links[i][1], strerror(errno));
}

/** What a new root and new name spaces lack. */
static int furnish(void) {
    int failed = attach("pts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "mode=620,ptmxmode=666");
    if (initramfs < 0) {
        failed |= attach("tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=20%,mode=1777");
        failed |= attach("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "size=20%,mode=1777");
    }
    link_descriptors();
    if (sethostname("blixard", strlen("blixard")) != 0 || setdomainname("(none)", strlen("(none)")) != 0)
        report("cannot set the host name: %s", strerror(errno));
    raise_loopback();
    return failed;
}

void boot_system(void) {
    attach_kernel();
    load_modules();
    enter_root();
    furnish();
}

/** Takes the root away, with all that was ever mounted in it, and the memory that it was laid over. */
static int leave_root(void) {
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool left = initramfs >= 0 && root >= 0 && fchdir(initramfs) == 0 && chroot(".") == 0 &&
                fchdir(root) == 0 && umount2(".", MNT_DETACH) == 0 && fchdir(initramfs) == 0 &&
                umount2("/changes", MNT_DETACH) == 0;
    if (!left) report("cannot leave the root: %s", strerror(errno));
    if (root >= 0) close(root);
    return left ? 0 : -1;
}

int boot_renew(void) {
    if (leave_root() != 0 || attach_kernel() != 0 || lay_over() != 0) return -1;
    return move_into("/root.new") == 0 && furnish() == 0 ? 0 : -1;
}

_Noreturn void boot_power_off(void) {
    sync();
    reboot(RB_AUTOBOOT);
    /* Not reached as PID 1; the end of PID 1 ends the kernel all the same. */
    _exit(1);
}
