/** What the agent does itself around a command, each in a child of its own. */
#include "tasks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"
#include "collect.h"
#include "streams.h"

enum { PATH_BYTES = 4096 };

static int complain(const char *what) {
    dprintf(STDERR_FILENO, "%s: %s", what, strerror(errno));
    return errno == ENOSPC ? EXIT_NO_SPACE : EXIT_FAILURE;
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
    if (strcmp(name, "put") == 0) return put;
    if (strcmp(name, "collect") == 0) return collect;
    return NULL;
}

bool task_is_watch(const struct spec *spec) {
    return strcmp(spec->argv[0], "watch") == 0;
}

bool task_is_limits(const struct spec *spec) {
    return strcmp(spec->argv[0], "limits") == 0;
}

bool task_is_needless(const struct spec *spec) {
    return task_find(spec) == collect && collect_is_needless(spec);
}

static int hand_over(const char *path, uid_t uid) {
    return uid == geteuid() ? 0 : lchown(path, uid, uid);
}

static int make_folder(const char *path, uid_t uid) {
    return mkdir(path, 0755) != 0 || hand_over(path, uid) != 0 ? -1 : 0;
}

/** Opened for writing, too: it shall not end when a writer closes it. */
static int make_pipe(const char *path, uid_t uid) {
    if (mkfifo(path, 0600) != 0 || hand_over(path, uid) != 0) return -1;
    return open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
}

int task_watch(const struct spec *spec) {
    char path[PATH_BYTES];
    int length = snprintf(path, sizeof path - 16, "%s", spec->cwd);
    if (length <= 0 || length >= (int)sizeof path - 16) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (make_parents(path) != 0 || mkdir(path, 0755) != 0) return -1;
    static const char *const folders[] = {"/artifacts", "/inputs"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        strcpy(path + length, folders[i]);
        if (make_folder(path, spec->uid) != 0) return -1;
    }
    strcpy(path + length, "/progress");
    int progress = make_pipe(path, spec->uid);
    /* Last, so that until here nobody else can have put anything in its place. */
    if (progress >= 0 && hand_over(spec->cwd, spec->uid) != 0) close_end(&progress);
    return progress;
}
