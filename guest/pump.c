/** Moves bytes between the channel and the pipes of commands, within both sides' credit, never blocking. */
#include "pump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool would_block(void) {
    return errno == EAGAIN || errno == EINTR;
}

bool pump_accept_input(struct input *input, const uint8_t *bytes, size_t length) {
    if (length > input->allowed || input->complete) return false;
    input->allowed -= length;
    if (input->fd < 0) return true;
    if (input->bytes == NULL) input->bytes = malloc(STDIN_CREDIT_BYTES);
    if (input->bytes == NULL) return false;
    /* What the host may send, what waits here and what was taken untold always sum up to the buffer. */
    memmove(input->bytes, input->bytes + input->start, input->end - input->start);
    input->end -= input->start;
    input->start = 0;
    memcpy(input->bytes + input->end, bytes, length);
    input->end += length;
    return true;
}

/** Told in large steps: a frame for each small write would cost more than the bytes it speaks of. */
static void grant_input(struct channel *channel, struct stream *stream) {
    struct input *input = &stream->input;
    if (input->taken < STDIN_CREDIT_BYTES / 2 || input->complete || !channel_has_reply_room(channel)) return;
    uint8_t bytes[4];
    write_u32(bytes, (uint32_t)input->taken);
    channel_reply(channel, GUEST_STDIN_CREDIT, stream->id, bytes, sizeof bytes);
    input->allowed += input->taken;
    input->taken = 0;
}

void pump_input(struct channel *channel, struct stream *stream) {
    struct input *input = &stream->input;
    if (input->fd < 0) return;
    if (input->end > input->start) {
        ssize_t put = write(input->fd, input->bytes + input->start, input->end - input->start);
        if (put > 0) input->start += (size_t)put;
        if (put > 0) input->taken += (size_t)put;
        /* Nobody reads it any more: what is left of stdin is of no use. */
        if (put < 0 && !would_block()) close_end(&input->fd);
    }
    grant_input(channel, stream);
    if (input->complete && input->start == input->end) close_end(&input->fd);
}

static void pump_pipe(struct channel *channel, struct stream *stream, struct output *output,
                      enum guest_frame type) {
    if (output->fd < 0 || stream->credit == 0 || !channel_has_output_room(channel)) return;
    size_t most = stream->credit < FRAME_BYTES_MAX ? (size_t)stream->credit : FRAME_BYTES_MAX;
    ssize_t got = read(output->fd, channel_payload(channel, most), most);
    if (got == 0 || (got < 0 && !would_block())) close_end(&output->fd);
    if (got <= 0) return;
    channel_commit(channel, type, stream->id, (size_t)got);
    stream->credit -= (size_t)got;
    output->owed -= (size_t)got < output->owed ? (size_t)got : output->owed;
}

void pump_output(struct channel *channel, struct stream *stream) {
    pump_pipe(channel, stream, &stream->output, GUEST_STDOUT);
    pump_pipe(channel, stream, &stream->error, GUEST_STDERR);
}

bool pump_wants_input(const struct stream *stream) {
    return stream->input.fd >= 0 && stream->input.end > stream->input.start;
}

bool pump_wants_output(const struct channel *channel, const struct stream *stream) {
    return stream->credit > 0 && channel_has_output_room(channel);
}
