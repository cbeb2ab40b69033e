/** The table of streams: each is one command of the host, from the first part of its spec to its exit. */
#ifndef BLIXARD_STREAMS_H
#define BLIXARD_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "protocol.h"

/** In place of a pid. */
enum { NO_PROCESS = -1 };

/** The agent's end of one output pipe. */
struct output {
    /** -1: closed. */
    int fd;
    /** Bytes that stood in the pipe when the command ended and are not sent yet. */
    size_t owed;
};

/** The agent's end of the stdin pipe, and what the command has not taken yet. */
struct input {
    /** -1: closed, or nobody reads it any more. */
    int fd;
    uint8_t *bytes;
    size_t start, end;
    /** Bytes the host may still send. */
    size_t allowed;
    /** Bytes the command took that the host has not been told of. */
    size_t taken;
    /** The host has sent all. */
    bool complete;
};

struct stream {
    /** 0: the slot is free. */
    uint32_t id;
    uint8_t *spec;
    size_t spec_length;
    /** 0: not started; NO_PROCESS: a task without one. Also its process group. */
    pid_t pid;
    struct input input;
    struct output output, error;
    /** Bytes of output the host takes. */
    uint64_t credit;
    uint64_t started_ms, ended_ms;
    /** What its process had used before it became the command. */
    uint64_t cpu_before_ms;
    /** Of the kernel's out-of-memory killer, before the command started. */
    uint64_t oom_kills_before;
    /** The command itself has ended; its pipes may still be open. */
    bool ended;
    int status;
    struct rusage usage;
};

struct streams {
    struct stream slots[STREAMS_MAX];
    /** Slots in use are below this one. */
    size_t used;
    /** Ids only grow: what is said about a lower one that is not here came too late. */
    uint32_t highest_id;
};

struct stream *streams_find(struct streams *streams, uint32_t id);
/** The stream whose command is this process and has not ended. */
struct stream *streams_find_running(struct streams *streams, pid_t pid);

/** A new stream, or NULL when all slots are taken. */
struct stream *streams_open(struct streams *streams, uint32_t id);

/** Signals the whole process group of the command. */
void stream_signal(const struct stream *stream, int number);

/** Kills what is left of the command and frees the slot. */
void streams_release(struct streams *streams, struct stream *stream);

/** Releases all, and takes ids from 1 again. */
void streams_reset(struct streams *streams);

void close_end(int *fd);

#endif
