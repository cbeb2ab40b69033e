/** Reads an exec spec: `u32 uid | u32 argc | u32 envc | cwd NUL | argv… NUL each | env… NUL each`. */
#include "spec.h"

#include <stdlib.h>
#include <string.h>

#include "channel.h"

enum { SPEC_HEAD_BYTES = 12 };

static size_t count_strings(const uint8_t *bytes, size_t length) {
    size_t count = 0;
    for (size_t i = 0; i < length; i++) count += bytes[i] == 0;
    return count;
}

/** Fills `list` with the `count` strings from `text` on; returns where the next one starts. */
static char *take_strings(char **list, size_t count, char *text) {
    for (size_t i = 0; i < count; i++) {
        list[i] = text;
        text += strlen(text) + 1;
    }
    list[count] = NULL;
    return text;
}

const char *spec_parse(struct spec *spec, uint8_t *bytes, size_t length) {
    if (length <= SPEC_HEAD_BYTES || bytes[length - 1] != 0) return "the exec spec is cut off";
    size_t argc = read_u32(bytes + 4);
    size_t envc = read_u32(bytes + 8);
    if (argc == 0) return "the exec spec has no command";
    uint8_t *text = bytes + SPEC_HEAD_BYTES;
    if (count_strings(text, length - SPEC_HEAD_BYTES) != 1 + argc + envc)
        return "the exec spec has another number of strings than it says";
    char **lists = calloc(argc + 1 + envc + 1, sizeof *lists);
    if (lists == NULL) return "no memory for the exec spec";
    spec->uid = read_u32(bytes);
    spec->cwd = (char *)text;
    spec->argv = lists;
    spec->env = lists + argc + 1;
    char *rest = take_strings(spec->argv, argc, spec->cwd + strlen(spec->cwd) + 1);
    take_strings(spec->env, envc, rest);
    return NULL;
}

void spec_free(struct spec *spec) {
    free(spec->argv);
    spec->argv = NULL;
}
