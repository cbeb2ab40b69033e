/** Finds programs by name, as a shell does. */
#include "path.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *path_of(const struct spec *spec) {
    for (char **entry = spec->env; *entry != NULL; entry++)
        if (strncmp(*entry, "PATH=", 5) == 0) return *entry + 5;
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

bool path_next(struct path_search *search, const struct spec *spec, char file[PROGRAM_BYTES_MAX]) {
    const char *name = spec->argv[0];
    bool first = !search->begun;
    search->begun = true;
    if (strchr(name, '/') != NULL)
        return first && snprintf(file, PROGRAM_BYTES_MAX, "%s", name) < PROGRAM_BYTES_MAX;
    if (first && name[0] != 0) search->rest = path_of(spec);
    while (search->rest != NULL) {
        const char *path = search->rest;
        const char *end = strchrnul(path, ':');
        const char *folder = end == path ? "." : path;
        int folder_length = end == path ? 1 : (int)(end - path);
        int length = snprintf(file, PROGRAM_BYTES_MAX, "%.*s/%s", folder_length, folder, name);
        search->rest = *end == 0 ? NULL : end + 1;
        if (length >= 0 && length < PROGRAM_BYTES_MAX) return true;
    }
    return false;
}

bool path_find(const struct spec *spec, char file[PROGRAM_BYTES_MAX]) {
    struct path_search search = {0};
    struct stat stats;
    while (path_next(&search, spec, file))
        if (stat(file, &stats) == 0 && S_ISREG(stats.st_mode) && access(file, X_OK) == 0) return true;
    return false;
}
