/** Finds programs by name, as a shell does. */
#ifndef BLIXARD_PATH_H
#define BLIXARD_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "spec.h"

enum { PROGRAM_BYTES_MAX = 4096 };

/** Where the search has come to; starts as all zeros. */
struct path_search {
    const char *rest;
    bool begun;
};

/**
 * Writes the next place where the program of the spec may be, by the PATH of its own environment; false: there is no
 * further one. A name with a slash is its only place.
 */
bool path_next(struct path_search *search, const struct spec *spec, char file[PROGRAM_BYTES_MAX]);

/** Writes the first place where a program that may be run is; false: there is none. */
bool path_find(const struct spec *spec, char file[PROGRAM_BYTES_MAX]);

#endif
