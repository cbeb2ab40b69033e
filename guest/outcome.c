/** The end of a command: collects ended processes, waits for the last output, tells the host. */
#include "outcome.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "clock.h"
#include "limits.h"

enum {
    /** How long processes that outlive their command may go on writing to its output. */
    DRAIN_MS = 2000,
    /** A command that takes longer may have filled the memory. */
    COUNTED_MS = 100,
};

/** Kills of the kernel's out-of-memory killer since boot; 0 where the kernel does not count them. */
static uint64_t count_oom_kills(void) {
    FILE *file = fopen("/proc/vmstat", "re");
    if (file == NULL) return 0;
    char line[128];
    uint64_t kills = 0;
    while (kills == 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "oom_kill ", 9) == 0) kills = strtoull(line + 9, NULL, 10);
    fclose(file);
    return kills;
}

static uint64_t oom_kills_noted;
/** A command was started since: what it had killed is not counted yet. */
static bool noted_is_old;

void outcome_note_oom(void) {
    oom_kills_noted = count_oom_kills();
    noted_is_old = false;
}

void outcome_begin(struct stream *stream) {
    if (noted_is_old) outcome_note_oom();
    stream->oom_kills_before = oom_kills_noted;
    noted_is_old = true;
}

static size_t bytes_in(const struct output *output) {
    int bytes = 0;
    if (output->fd < 0 || ioctl(output->fd, FIONREAD, &bytes) != 0 || bytes < 0) return 0;
    return (size_t)bytes;
}

static void note_end(struct stream *stream, int status, const struct rusage *usage) {
    stream->ended = true;
    stream->ended_ms = monotonic_ms();
    stream->status = status;
    stream->usage = *usage;
    stream->output.owed = bytes_in(&stream->output);
    stream->error.owed = bytes_in(&stream->error);
    close_end(&stream->input.fd);
}

void outcome_end(struct stream *stream) {
    struct rusage none = {0};
    if (!stream->ended) note_end(stream, 0, &none);
}

void outcome_reap(struct streams *streams, struct zygotes *zygotes) {
    int status;
    struct rusage usage;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
        struct stream *stream = streams_find_running(streams, pid);
        if (stream != NULL) note_end(stream, status, &usage);
        zygotes_forget(zygotes, pid);
    }
}

static bool output_is_over(const struct stream *stream) {
    if (stream->output.fd < 0 && stream->error.fd < 0) return true;
    bool owing = stream->output.owed > 0 || stream->error.owed > 0;
    /* Its writers have no end of their own. */
    if (stream->pid == NO_PROCESS) return !owing;
    return !owing && monotonic_ms() >= stream->ended_ms + DRAIN_MS;
}

/**
 * Whichever of its processes it was. Not counted for a short command that did not fail: it would cost more than all
 * else around it, and no memory is full that soon.
 */
static bool killed_for_memory(const struct stream *stream) {
    if (stream->pid == NO_PROCESS) return false;
    if (stream->status == 0 && stream->ended_ms - stream->started_ms < COUNTED_MS) return false;
    return count_oom_kills() > stream->oom_kills_before;
}

/** Most programs end with an error when they cannot write; one that does not had room enough. */
static bool failed_for_disk(const struct stream *stream) {
    return stream->status != 0 && stream->pid != NO_PROCESS && limits_disk_is_full();
}

static long long milliseconds(struct timeval time) {
    return (long long)time.tv_sec * 1000 + time.tv_usec / 1000;
}

static long long cpu_ms(const struct stream *stream) {
    long long all = milliseconds(stream->usage.ru_utime) + milliseconds(stream->usage.ru_stime);
    long long before = (long long)stream->cpu_before_ms;
    return all > before ? all - before : 0;
}

static void tell(struct channel *channel, const struct stream *stream) {
    char json[REPLY_BYTES_MAX];
    bool signaled = WIFSIGNALED(stream->status);
    int length = snprintf(
        json, sizeof json,
        "{\"code\":%d,\"signal\":%d,\"wallMs\":%llu,\"cpuMs\":%lld,\"maxRssKiB\":%ld,\"oom\":%s,"
        "\"diskFull\":%s}",
        signaled ? -1 : WEXITSTATUS(stream->status), signaled ? WTERMSIG(stream->status) : 0,
        (unsigned long long)(stream->ended_ms - stream->started_ms), cpu_ms(stream), stream->usage.ru_maxrss,
        killed_for_memory(stream) ? "true" : "false", failed_for_disk(stream) ? "true" : "false");
    channel_reply(channel, GUEST_EXITED, stream->id, json, (size_t)length);
}

void outcome_tell(struct channel *channel, struct streams *streams) {
    for (size_t i = 0; i < streams->used; i++) {
        struct stream *stream = &streams->slots[i];
        if (stream->id == 0 || !stream->ended || !output_is_over(stream)) continue;
        if (!channel_has_reply_room(channel)) return;
        tell(channel, stream);
        streams_release(streams, stream);
    }
}

int outcome_wait_ms(const struct streams *streams) {
    uint64_t now = monotonic_ms();
    int wait = -1;
    for (size_t i = 0; i < streams->used; i++) {
        const struct stream *stream = &streams->slots[i];
        uint64_t until = stream->ended_ms + DRAIN_MS;
        /* One that still owes output is woken by its pipe or by credit. */
        if (stream->id == 0 || !stream->ended || now >= until) continue;
        if (wait < 0 || until - now < (uint64_t)wait) wait = (int)(until - now);
    }
    return wait;
}
