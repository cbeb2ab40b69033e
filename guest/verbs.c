/** Does what the frames of the host ask. Bad frames are refused by name; they never end the agent. */
#include "verbs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "facts.h"
#include "identity.h"
#include "limits.h"
#include "outcome.h"
#include "pump.h"
#include "report.h"
#include "reset.h"
#include "spec.h"
#include "tasks.h"

/** Answers `failed`, which ends the stream, and with it the command if one runs. */
static void fail(struct agent *agent, struct stream *stream, const char *problem) {
    channel_refuse(&agent->channel, stream->id, "%s", problem);
    streams_release(&agent->streams, stream);
}

/** The stream a frame speaks of. NULL: it never was, which is told, or it is over: the frame was too late. */
static struct stream *find(struct agent *agent, const struct frame *frame) {
    struct stream *stream = streams_find(&agent->streams, frame->stream_id);
    if (stream == NULL && (frame->stream_id == 0 || frame->stream_id > agent->streams.highest_id))
        channel_refuse(&agent->channel, frame->stream_id, "there is no stream %u", frame->stream_id);
    return stream;
}

/** The stream whose spec a frame brings; a new one for an id above all before. */
static struct stream *find_or_open(struct agent *agent, const struct frame *frame) {
    struct streams *streams = &agent->streams;
    if (frame->stream_id <= streams->highest_id) return find(agent, frame);
    streams->highest_id = frame->stream_id;
    struct stream *stream = streams_open(streams, frame->stream_id);
    if (stream == NULL)
        channel_refuse(&agent->channel, frame->stream_id, "%d commands run already",
                       STREAMS_MAX);
    return stream;
}

/** An earlier session may have ended in the middle of anything, so a hello starts from nothing. */
static void hello(struct agent *agent, const struct frame *frame) {
    char text[256] = "", token[129], json[REPLY_BYTES_MAX];
    int end = 0;
    if (frame->length < sizeof text) memcpy(text, frame->payload, frame->length);
    if (sscanf(text, "{\"version\":%*9d,\"token\":\"%128[A-Za-z0-9._-]\"}%n", token, &end) != 1 ||
        (size_t)end != frame->length) {
        channel_refuse(&agent->channel, frame->stream_id,
                       "a hello must be {\"version\":N,\"token\":\"...\"}");
        return;
    }
    streams_reset(&agent->streams);
    channel_reply(&agent->channel, GUEST_HELLO_REPLY, frame->stream_id, json,
                  facts_write(json, sizeof json, token));
}

static void ping(struct agent *agent, const struct frame *frame) {
    uint8_t pong[8 + PING_BYTES_MAX];
    if (frame->length > PING_BYTES_MAX) {
        channel_refuse(&agent->channel, frame->stream_id, "a ping of more than %d bytes", PING_BYTES_MAX);
        return;
    }
    uint64_t tsc = facts_tsc();
    write_u32(pong, (uint32_t)tsc);
    write_u32(pong + 4, (uint32_t)(tsc >> 32));
    memcpy(pong + 8, frame->payload, frame->length);
    channel_reply(&agent->channel, GUEST_PONG, frame->stream_id, pong, 8 + frame->length);
}

static void exec_part(struct agent *agent, const struct frame *frame) {
    struct stream *stream = find_or_open(agent, frame);
    if (stream == NULL || frame->length == 0) return;
    if (stream->pid != 0) return fail(agent, stream, "a part of an exec spec for a command that runs already");
    if (stream->spec_length + frame->length > EXEC_SPEC_BYTES_MAX)
        return fail(agent, stream, "the exec spec is too long");
    uint8_t *spec = realloc(stream->spec, stream->spec_length + frame->length);
    if (spec == NULL) return fail(agent, stream, "no memory for the exec spec");
    memcpy(spec + stream->spec_length, frame->payload, frame->length);
    stream->spec = spec;
    stream->spec_length += frame->length;
}

/** Of a spec that is a task; 0, or errno. */
static int start_task(struct agent *agent, struct stream *stream, const struct spec *spec) {
    task_body *task = task_find(spec);
    if (zygote_is_asked(spec)) {
        return zygotes_start(&agent->zygotes, stream, spec);
    } else if (task_is_watch(spec)) {
        stream->output.fd = task_watch(spec);
        if (stream->output.fd < 0) return errno;
        stream->pid = NO_PROCESS;
    } else if (task_is_limits(spec)) {
        stream->pid = NO_PROCESS;
        int cause = limits_set(spec);
        if (cause != 0) return cause;
        outcome_end(stream);
        if (limits_are_cut()) stream->status = W_EXITCODE(EXIT_NO_SPACE, 0);
    } else if (task_is_needless(spec)) {
        stream->pid = NO_PROCESS;
        outcome_end(stream);
    } else {
        return task == NULL ? ENOSYS : command_start(stream, spec, task);
    }
    return 0;
}

/** Of a spec that is the command of a job; 0, or errno. */
static int start_command(struct agent *agent, struct stream *stream, const struct spec *spec, bool by_zygote) {
    if (by_zygote && zygotes_hand_over(&agent->zygotes, stream, spec)) {
        channel_reply(&agent->channel, GUEST_TAKEN, stream->id, "", 0);
        return 0;
    }
    zygotes_end(&agent->zygotes);
    return command_start(stream, spec, NULL);
}

static int start_by(struct agent *agent, struct stream *stream, const struct spec *spec, uint8_t verb) {
    if (verb == HOST_TASK) return start_task(agent, stream, spec);
    if (verb == HOST_EXEC && zygotes_rehearse(&agent->zygotes, stream, spec)) return 0;
    if (verb == HOST_EXEC) return command_start(stream, spec, NULL);
    return start_command(agent, stream, spec, verb == HOST_HAND_OVER);
}

static void start(struct agent *agent, const struct frame *frame) {
    struct stream *stream = find_or_open(agent, frame);
    if (stream == NULL) return;
    if (stream->pid != 0) return fail(agent, stream, "an exec of a command that runs already");
    struct spec spec;
    const char *problem = spec_parse(&spec, stream->spec, stream->spec_length);
    if (problem != NULL) return fail(agent, stream, problem);
    if (frame->type != HOST_TASK) outcome_begin(stream);
    stream->started_ms = monotonic_ms();
    int cause = start_by(agent, stream, &spec, frame->type);
    spec_free(&spec);
    free(stream->spec);
    stream->spec = NULL;
    if (cause != 0) fail(agent, stream, strerror(cause));
}

static void take_stdin(struct agent *agent, const struct frame *frame) {
    struct stream *stream = find(agent, frame);
    if (stream == NULL) return;
    if (stream->pid == 0) return fail(agent, stream, "stdin for a command that does not run yet");
    if (!pump_accept_input(&stream->input, frame->payload, frame->length))
        return fail(agent, stream, "stdin beyond its credit or its end");
    pump_input(&agent->channel, stream);
}

static void end_stdin(struct agent *agent, const struct frame *frame) {
    struct stream *stream = find(agent, frame);
    if (stream == NULL) return;
    if (stream->pid == 0) return fail(agent, stream, "the end of stdin for a command that does not run yet");
    stream->input.complete = true;
    pump_input(&agent->channel, stream);
}

static void send_signal(struct agent *agent, const struct frame *frame) {
    struct stream *stream = find(agent, frame);
    if (stream == NULL) return;
    uint32_t number = frame->length == 4 ? read_u32(frame->payload) : 0;
    if (number < 1 || number > (uint32_t)SIGRTMAX) return fail(agent, stream, "there is no such signal");
    if (stream->pid == NO_PROCESS) outcome_end(stream);
    else stream_signal(stream, (int)number);
}

static void add_credit(struct agent *agent, const struct frame *frame) {
    struct stream *stream = find(agent, frame);
    if (stream == NULL) return;
    if (frame->length != 4) return fail(agent, stream, "a credit must have 4 bytes");
    stream->credit += read_u32(frame->payload);
}

/** Anyone but PID 1 of a VM would change the host it runs on. */
static void resume(struct agent *agent, const struct frame *frame) {
    const char *problem = getpid() == 1 ? identity_take(frame->payload, frame->length) : "this is not a VM";
    if (problem != NULL) channel_refuse(&agent->channel, frame->stream_id, "%s", problem);
    else channel_reply(&agent->channel, GUEST_RESUMED, frame->stream_id, "", 0);
}

/** Between commands: one still under way would be killed without a word. */
static void between_commands(struct agent *agent, const struct frame *frame, const char *act(void)) {
    const char *problem = "this is not a VM";
    if (agent->streams.used > 0) problem = "a command is under way";
    else if (getpid() == 1) problem = act();
    if (problem == NULL) outcome_note_oom();
    if (problem != NULL) channel_refuse(&agent->channel, frame->stream_id, "%s", problem);
    else channel_reply(&agent->channel, GUEST_DONE, frame->stream_id, "", 0);
}

static void refuse_verb(struct agent *agent, const struct frame *frame) {
    struct stream *stream = streams_find(&agent->streams, frame->stream_id);
    channel_refuse(&agent->channel, frame->stream_id, "there is no verb %u", frame->type);
    if (stream != NULL) streams_release(&agent->streams, stream);
}

static enum verdict handle(struct agent *agent, const struct frame *frame) {
    switch (frame->type) {
        case HOST_HELLO: hello(agent, frame); break;
        case HOST_PING: ping(agent, frame); break;
        case HOST_EXEC_PART: exec_part(agent, frame); break;
        case HOST_EXEC:
        case HOST_RUN:
        case HOST_HAND_OVER:
        case HOST_TASK: start(agent, frame); break;
        case HOST_STDIN: take_stdin(agent, frame); break;
        case HOST_STDIN_END: end_stdin(agent, frame); break;
        case HOST_SIGNAL: send_signal(agent, frame); break;
        case HOST_CREDIT: add_credit(agent, frame); break;
        case HOST_RESUME: resume(agent, frame); break;
        case HOST_NOTE: between_commands(agent, frame, reset_note); break;
        case HOST_RESET: between_commands(agent, frame, reset_guest); break;
        case HOST_POWER_OFF: return VERDICT_STOP;
        default: refuse_verb(agent, frame);
    }
    return VERDICT_GO_ON;
}

enum verdict verbs_handle(struct agent *agent) {
    struct frame frame;
    enum verdict verdict = VERDICT_GO_ON;
    while (verdict == VERDICT_GO_ON && channel_has_reply_room(&agent->channel)) {
        enum next_frame next = channel_next(&agent->channel, &frame);
        if (next == NEXT_NONE) break;
        if (next == NEXT_TOO_LONG) report("the host sent a frame of %zu bytes", frame.length);
        verdict = next == NEXT_FRAME ? handle(agent, &frame) : VERDICT_BROKEN;
    }
    return verdict;
}
