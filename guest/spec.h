/** Reads an exec spec: `u32 uid | u32 argc | u32 envc | cwd NUL | argv… NUL each | env… NUL each`. */
#ifndef BLIXARD_SPEC_H
#define BLIXARD_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct spec {
    uid_t uid;
    char *cwd;
    /** Both end with NULL and lie in one allocation, freed by spec_free. */
    char **argv;
    char **env;
};

/** The strings of the spec point into `bytes`. Returns NULL when it is whole, or what is wrong with it. */
const char *spec_parse(struct spec *spec, uint8_t *bytes, size_t length);
void spec_free(struct spec *spec);

#endif
