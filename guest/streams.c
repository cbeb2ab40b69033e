/** The table of streams: each is one command of the host, from the first part of its spec to its exit. */
#include "streams.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void close_end(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

struct stream *streams_find(struct streams *streams, uint32_t id) {
    for (size_t i = 0; i < streams->used; i++)
        if (id != 0 && streams->slots[i].id == id) return &streams->slots[i];
    return NULL;
}

struct stream *streams_find_running(struct streams *streams, pid_t pid) {
    for (size_t i = 0; i < streams->used; i++)
        if (streams->slots[i].pid == pid && !streams->slots[i].ended) return &streams->slots[i];
    return NULL;
}

struct stream *streams_open(struct streams *streams, uint32_t id) {
    size_t slot = 0;
    while (slot < STREAMS_MAX && streams->slots[slot].id != 0) slot++;
    if (slot == STREAMS_MAX) return NULL;
    if (slot == streams->used) streams->used++;
    struct stream *stream = &streams->slots[slot];
    *stream = (struct stream){
        .id = id,
        .credit = STREAM_CREDIT_BYTES,
        .input = {.fd = -1, .allowed = STDIN_CREDIT_BYTES},
        .output.fd = -1,
        .error.fd = -1,
    };
    return stream;
}

void stream_signal(const struct stream *stream, int number) {
    if (stream->pid <= 0 || kill(-stream->pid, number) == 0) return;
    /* A process just forked may not have made its group yet. */
    if (!stream->ended) kill(stream->pid, number);
}

void streams_release(struct streams *streams, struct stream *stream) {
    stream_signal(stream, SIGKILL);
    close_end(&stream->input.fd);
    close_end(&stream->output.fd);
    close_end(&stream->error.fd);
    free(stream->input.bytes);
    free(stream->spec);
    *stream = (struct stream){.id = 0};
    while (streams->used > 0 && streams->slots[streams->used - 1].id == 0) streams->used--;
}

void streams_reset(struct streams *streams) {
    for (size_t i = STREAMS_MAX; i-- > 0;)
        if (streams->slots[i].id != 0) streams_release(streams, &streams->slots[i]);
    streams->highest_id = 0;
}
