/** What the agent does itself around a command, each in a child of its own. */
#include "tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"
#include "collect.h"

enum {
    PATH_BYTES = 4096,
    /** The host tells a full disk from other trouble by it. */
    EXIT_NO_SPACE = 28,
};

static int complain(const char *what) {
    dprintf(STDERR_FILENO, "%s: %s", what, strerror(errno));
    return errno == ENOSPC ? EXIT_NO_SPACE : EXIT_FAILURE;
}

/** Moves what is there from one descriptor to another. False: there is nothing more. */
static bool move_some(int from, int to) {
    char bytes[4096];
    ssize_t got = read(from, bytes, sizeof bytes);
    for (ssize_t put = 0, done = 0; done < got; done += put) {
        put = write(to, bytes + done, (size_t)(got - done));
        if (put < 0 && errno != EINTR) return false;
        if (put < 0) put = 0;
    }
    return got > 0;
}

/** Passes on what the command writes to its progress, until SIGTERM, which was blocked before this process began. */
static int watch(const struct spec *spec) {
    (void)spec;
    sigset_t end;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    /* For writing, too: it shall not end when a writer closes it. */
    int progress = open("progress", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct pollfd polls[] = {
        {.fd = progress, .events = POLLIN},
        {.fd = signalfd(-1, &end, SFD_CLOEXEC), .events = POLLIN},
    };
    if (progress < 0 || polls[1].fd < 0) return complain("progress");
    while (polls[1].revents == 0) {
        if (poll(polls, 2, -1) < 0 && errno != EINTR) return complain("progress");
        if (polls[0].revents != 0) move_some(progress, STDOUT_FILENO);
    }
    /* A writer that goes on for ever shall not keep it here. */
    for (int left = 64; left > 0 && move_some(progress, STDOUT_FILENO);) left--;
    return EXIT_SUCCESS;
}

/** Makes the folders above a path, those that are not there. */
static int make_parents(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int made = mkdir(path, 0755);
        *slash = '/';
        if (made != 0 && errno != EEXIST) return -1;
    }
    return 0;
}

/** `put OFFSET PATH`: standard input becomes the bytes of the file from there on. */
static int put(const struct spec *spec) {
    char **argv = spec->argv;
    if (argv[1] == NULL || argv[2] == NULL || make_parents(argv[2]) != 0) return complain("put");
    int file = open(argv[2], O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (file < 0 || lseek(file, (off_t)strtoull(argv[1], NULL, 10), SEEK_SET) < 0) return complain(argv[2]);
    static char bytes[64 * 1024];
    for (ssize_t got; (got = read(STDIN_FILENO, bytes, sizeof bytes)) != 0;) {
        if (got < 0) return complain("stdin");
        for (ssize_t done = 0, written; done < got; done += written) {
            written = write(file, bytes + done, (size_t)(got - done));
            if (written < 0) return complain(argv[2]);
        }
    }
    return close(file) == 0 ? EXIT_SUCCESS : complain(argv[2]);
}

task_body *task_find(const struct spec *spec) {
    const char *name = spec->argv[0];
    if (strcmp(name, "watch") == 0) return watch;
    if (strcmp(name, "put") == 0) return put;
    if (strcmp(name, "collect") == 0) return collect;
    return NULL;
}

static int hand_over(const char *path, uid_t uid) {
    return uid == geteuid() ? 0 : lchown(path, uid, uid);
}

static int make_folder(const char *path, uid_t uid) {
    return mkdir(path, 0755) != 0 || hand_over(path, uid) != 0 ? errno : 0;
}

int task_prepare(const struct spec *spec) {
    if (task_find(spec) != watch) return 0;
    char path[PATH_BYTES];
    int length = snprintf(path, sizeof path - 16, "%s", spec->cwd);
    if (length <= 0 || length >= (int)sizeof path - 16) return ENAMETOOLONG;
    if (make_parents(path) != 0) return errno;
    int cause = make_folder(path, spec->uid);
    static const char *const folders[] = {"/artifacts", "/inputs"};
    for (size_t i = 0; cause == 0 && i < sizeof folders / sizeof folders[0]; i++) {
        strcpy(path + length, folders[i]);
        cause = make_folder(path, spec->uid);
    }
    if (cause != 0) return cause;
    strcpy(path + length, "/progress");
    return mkfifo(path, 0600) != 0 || hand_over(path, spec->uid) != 0 ? errno : 0;
}
