/**
 * Sends the result and the artifacts of a command, one file after the other, on standard output:
 * `u8 kind | u16 name length | name`, and for files `(u32 length | bytes)… | u32 0`, or FILE_BROKEN in place of the 0.
 */
#include "collect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"

enum {
    KIND_RESULT = 'R',
    KIND_ARTIFACT = 'A',
    /** Its name is what there is to say; it has no bytes. */
    KIND_NOTE = 'N',
    CHUNK_BYTES = 60 * 1024,
    PATH_BYTES = 4096,
    NAME_BYTES_MAX = 255,
    DEPTH_MAX = 32,
    NOTES_MAX = 20,
};

static const uint32_t FILE_BROKEN = 0xffffffff;

struct collection {
    unsigned long long artifact_bytes;
    unsigned long files_left;
    int notes_left;
};

static void put(const void *bytes, size_t length) {
    const char *from = bytes;
    while (length > 0) {
        ssize_t put = write(STDOUT_FILENO, from, length);
        if (put < 0 && errno == EINTR) continue;
        /* The host has cut the stream: nobody listens any more. */
        if (put <= 0) _exit(EXIT_FAILURE);
        from += put;
        length -= (size_t)put;
    }
}

static void put_u32(uint32_t value) {
    uint8_t bytes[4];
    write_u32(bytes, value);
    put(bytes, sizeof bytes);
}

static void put_head(char kind, const char *name) {
    size_t length = strlen(name);
    uint8_t head[3] = {(uint8_t)kind, (uint8_t)length, (uint8_t)(length >> 8)};
    put(head, sizeof head);
    put(name, length);
}

static void note(struct collection *all, const char *path, const char *problem) {
    char text[NAME_BYTES_MAX + 1];
    if (all->notes_left-- <= 0) return;
    snprintf(text, sizeof text, "%.180s: %.70s", path, problem);
    put_head(KIND_NOTE, text);
}

/** In the words in which the host drops one. */
static void note_large_result(struct collection *all, unsigned long long bytes, unsigned long long bytes_max) {
    char problem[NAME_BYTES_MAX];
    snprintf(problem, sizeof problem, "it has %llu bytes, allowed are %llu", bytes, bytes_max);
    note(all, "result dropped", problem);
}

static void put_contents(int file, unsigned long long bytes_max) {
    static uint8_t chunk[CHUNK_BYTES];
    for (unsigned long long sent = 0;;) {
        ssize_t got = read(file, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) continue;
        /* It grew while it was read, or its disk fails. */
        if (got < 0 || sent + (unsigned long long)got > bytes_max) return put_u32(FILE_BROKEN);
        put_u32((uint32_t)got);
        if (got == 0) return;
        put(chunk, (size_t)got);
        sent += (unsigned long long)got;
    }
}

/** Only a regular file is sent: anything else may block for ever, or be larger than it says. */
static void send_file(struct collection *all, char kind, const char *path, const char *name,
                      unsigned long long bytes_max) {
    struct stat facts;
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0) return note(all, path, errno == ELOOP ? "a symbolic link is not collected" : strerror(errno));
    if (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) {
        note(all, path, "only regular files are collected");
    } else if ((unsigned long long)facts.st_size > bytes_max) {
        if (kind == KIND_RESULT) note_large_result(all, (unsigned long long)facts.st_size, bytes_max);
        else note(all, path, "the file is too large");
    } else {
        put_head(kind, name);
        put_contents(file, bytes_max);
    }
    close(file);
}

static void send_artifact(struct collection *all, const char *path, const char *name) {
    if (strlen(name) > NAME_BYTES_MAX) return note(all, path, "the name is longer than 255 bytes");
    if (all->files_left == 0) return;
    if (--all->files_left == 0) return note(all, path, "too many files; this and what follows is left out");
    send_file(all, KIND_ARTIFACT, path, name, all->artifact_bytes);
}

/** `path` is a folder; `name` is empty or ends in a slash, and is put in front of what is found there. */
static void send_folder(struct collection *all, const char *path, const char *name, int depth) {
    if (depth > DEPTH_MAX) return note(all, path, "too many folders inside one another");
    DIR *folder = opendir(path);
    if (folder == NULL) return note(all, path, strerror(errno));
    for (struct dirent *entry; all->files_left > 0 && (entry = readdir(folder)) != NULL;) {
        char inner[PATH_BYTES], inner_name[PATH_BYTES];
        struct stat facts;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        int length = snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        int name_length = snprintf(inner_name, sizeof inner_name - 1, "%s%s", name, entry->d_name);
        if (length >= (int)sizeof inner || name_length >= (int)sizeof inner_name - 1 ||
            lstat(inner, &facts) != 0) {
            note(all, path, "a file in it cannot be looked at");
        } else if (S_ISDIR(facts.st_mode)) {
            strcat(inner_name, "/");
            send_folder(all, inner, inner_name, depth + 1);
        } else {
            send_artifact(all, inner, inner_name);
        }
    }
    closedir(folder);
}

/** What the host names: a file, or a folder with all in it; its last part is the name. */
static void send_named(struct collection *all, char *path) {
    struct stat facts;
    char name[PATH_BYTES];
    for (size_t length = strlen(path); length > 1 && path[length - 1] == '/';) path[--length] = 0;
    if (lstat(path, &facts) != 0) return note(all, path, strerror(errno));
    const char *last = strrchr(path, '/');
    bool folder = S_ISDIR(facts.st_mode);
    /* All of "/" has no name of its own. */
    const char *own = last == NULL ? path : last + 1;
    int length = snprintf(name, sizeof name, "%s%s", own, folder && own[0] != 0 ? "/" : "");
    if (length >= (int)sizeof name) return note(all, path, "the name is too long");
    if (folder) send_folder(all, path, name, 0);
    else send_artifact(all, path, name);
}

int collect(const struct spec *spec) {
    char **argv = spec->argv;
    for (int i = 1; i <= 3; i++)
        if (argv[i] == NULL) return EXIT_FAILURE;
    struct collection all = {
        .artifact_bytes = strtoull(argv[2], NULL, 10),
        /* One more, so that the first that is too many can be told. */
        .files_left = strtoul(argv[3], NULL, 10) + 1,
        .notes_left = NOTES_MAX,
    };
    struct stat facts;
    if (lstat("result.json", &facts) == 0)
        send_file(&all, KIND_RESULT, "result.json", "result.json", strtoull(argv[1], NULL, 10));
    if (lstat("artifacts", &facts) == 0 && S_ISDIR(facts.st_mode)) send_folder(&all, "artifacts", "", 0);
    for (char **path = argv + 4; *path != NULL; path++) send_named(&all, *path);
    return EXIT_SUCCESS;
}

static bool is_empty(int folder) {
    if (folder < 0) return true;
    DIR *list = fdopendir(folder);
    int entries = 0;
    if (list == NULL) {
        close(folder);
        return false;
    }
    while (entries <= 2 && readdir(list) != NULL) entries++;
    closedir(list);
    /* Itself and the one above it. */
    return entries <= 2;
}

bool collect_is_needless(const struct spec *spec) {
    size_t argc = 0;
    while (spec->argv[argc] != NULL) argc++;
    int dir = argc == 4 ? open(spec->cwd, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (dir < 0) return false;
    bool no_result = faccessat(dir, "result.json", F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    bool needless = no_result && is_empty(openat(dir, "artifacts", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    close(dir);
    return needless;
}
