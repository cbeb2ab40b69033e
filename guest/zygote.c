/** Interpreters that run already and wait for the one command they will take. */
#include "zygote.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "channel.h"
#include "command.h"
#include "limits.h"
#include "outcome.h"

/** What a zygote prints first when it is ready, and how it answers to a command that it takes. */
enum { READY = 'R', TAKEN = 'Y' };

/** How long it may take to look at a command; compiling a long script takes some time. */
enum { ANSWER_SECONDS = 3 };

static bool rehearsal_is_asked(const struct spec *spec) {
    return strcmp(spec->argv[0], "rehearsal") == 0;
}

bool zygote_is_asked(const struct spec *spec) {
    return (strcmp(spec->argv[0], "zygote") == 0 || rehearsal_is_asked(spec)) && spec->argv[1] != NULL;
}

static int take_end(int *end) {
    int fd = *end;
    *end = -1;
    return fd;
}

static struct zygote *find(struct zygotes *zygotes, pid_t pid) {
    for (size_t i = 0; i < ZYGOTES_MAX; i++)
        if (zygotes->places[i].pid == pid) return &zygotes->places[i];
    return NULL;
}

int zygotes_start(struct zygotes *zygotes, struct stream *stream, const struct spec *spec) {
    struct zygote *zygote = find(zygotes, 0);
    struct spec command = *spec;
    command.argv = spec->argv + 1;
    if (zygote == NULL) return EAGAIN;
    if (!path_find(&command, zygote->program)) return ENOENT;
    int cause = command_start_controlled(stream, &command, &zygote->control);
    if (cause != 0) return cause;
    zygote->pid = stream->pid;
    zygote->ready = false;
    zygote->rehearses = rehearsal_is_asked(spec);
    zygote->output = zygote->error = -1;
    /* What the host says of the stdin of the task is not for the command to come. */
    zygote->input = take_end(&stream->input.fd);
    return 0;
}

bool zygotes_hear(struct zygotes *zygotes, struct stream *stream) {
    struct zygote *zygote = stream->pid > 0 ? find(zygotes, stream->pid) : NULL;
    char words[256] = "";
    if (zygote == NULL || zygote->ready || read(stream->output.fd, words, sizeof words) <= 0 || words[0] != READY)
        return false;
    zygote->ready = true;
    zygote->output = take_end(&stream->output.fd);
    zygote->error = take_end(&stream->error.fd);
    stream->pid = NO_PROCESS;
    outcome_end(stream);
    return true;
}

/** Frees its place; the process is collected as nobody's. */
static void end(struct zygote *zygote) {
    kill(-zygote->pid, SIGKILL);
    close_end(&zygote->control);
    close_end(&zygote->input);
    close_end(&zygote->output);
    close_end(&zygote->error);
    zygote->pid = 0;
}

void zygotes_end(struct zygotes *zygotes) {
    for (size_t i = 0; i < ZYGOTES_MAX; i++)
        if (zygotes->places[i].pid != 0 && zygotes->places[i].ready) end(&zygotes->places[i]);
}

void zygotes_forget(struct zygotes *zygotes, pid_t pid) {
    struct zygote *zygote = find(zygotes, pid);
    if (zygote != NULL) end(zygote);
}

static bool send_all(int control, const uint8_t *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(control, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

static bool takes(const struct zygote *zygote, const struct stream *stream) {
    const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
    uint8_t head[4], answer = 0;
    write_u32(head, (uint32_t)stream->spec_length);
    setsockopt(zygote->control, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(zygote->control, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return send_all(zygote->control, head, sizeof head) &&
           send_all(zygote->control, stream->spec, stream->spec_length) &&
           recv(zygote->control, &answer, 1, 0) == 1 && answer == TAKEN;
}

/** CPU time of another process so far. */
static uint64_t cpu_ms_of(pid_t pid) {
    clockid_t id;
    struct timespec used = {0};
    if (clock_getcpuclockid(pid, &id) != 0 || clock_gettime(id, &used) != 0) return 0;
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

static void become(struct zygote *zygote, struct stream *stream) {
    stream->pid = zygote->pid;
    stream->cpu_before_ms = cpu_ms_of(zygote->pid);
    stream->input.fd = take_end(&zygote->input);
    stream->output.fd = take_end(&zygote->output);
    stream->error.fd = take_end(&zygote->error);
    close_end(&zygote->control);
    zygote->pid = 0;
}

static bool hand_over(struct zygotes *zygotes, struct stream *stream, const struct spec *spec, bool rehearses) {
    char program[PROGRAM_BYTES_MAX];
    bool taken = false;
    /* Another user's rights are given to a process only where it starts. */
    if (spec->uid != geteuid() || !path_find(spec, program)) return false;
    for (size_t i = 0; i < ZYGOTES_MAX && !taken; i++) {
        struct zygote *zygote = &zygotes->places[i];
        if (zygote->pid == 0 || !zygote->ready || zygote->rehearses != rehearses) continue;
        if (strcmp(zygote->program, program) != 0) continue;
        taken = limits_join(zygote->pid) == 0 && takes(zygote, stream);
        if (taken) become(zygote, stream);
    }
    return taken;
}

bool zygotes_hand_over(struct zygotes *zygotes, struct stream *stream, const struct spec *spec) {
    bool taken = hand_over(zygotes, stream, spec, false);
    zygotes_end(zygotes);
    return taken;
}

bool zygotes_rehearse(struct zygotes *zygotes, struct stream *stream, const struct spec *spec) {
    return hand_over(zygotes, stream, spec, true);
}
