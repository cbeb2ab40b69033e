/** The byte stream to the host, cut into frames; both directions buffered in a fixed amount of memory. */
#include "channel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

uint32_t read_u32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

void write_u32(uint8_t *bytes, uint32_t value) {
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(value >> (8 * i));
}

static size_t queued(const struct channel *channel) {
    return channel->out_end - channel->out_start;
}

static bool would_block(void) {
    return errno == EAGAIN || errno == EINTR;
}

bool channel_wants_to_receive(const struct channel *channel) {
    return channel_has_reply_room(channel);
}

bool channel_wants_to_flush(const struct channel *channel) {
    return queued(channel) > 0;
}

enum transfer channel_receive(struct channel *channel) {
    memmove(channel->in, channel->in + channel->in_start, channel->in_end - channel->in_start);
    channel->in_end -= channel->in_start;
    channel->in_start = 0;
    size_t room = INBOX_BYTES - channel->in_end;
    if (room == 0) return TRANSFER_OK;
    ssize_t got = read(channel->fd, channel->in + channel->in_end, room);
    if (got > 0) channel->in_end += (size_t)got;
    if (got > 0 || (got < 0 && would_block())) return TRANSFER_OK;
    return TRANSFER_ENDED;
}

enum next_frame channel_next(struct channel *channel, struct frame *frame) {
    const uint8_t *head = channel->in + channel->in_start;
    size_t have = channel->in_end - channel->in_start;
    if (have < FRAME_HEADER_BYTES) return NEXT_NONE;
    frame->length = read_u32(head);
    frame->type = head[4];
    frame->stream_id = read_u32(head + 5);
    frame->payload = head + FRAME_HEADER_BYTES;
    if (frame->length > FRAME_BYTES_MAX) return NEXT_TOO_LONG;
    if (have < FRAME_HEADER_BYTES + frame->length) return NEXT_NONE;
    channel->in_start += FRAME_HEADER_BYTES + frame->length;
    return NEXT_FRAME;
}

enum transfer channel_flush(struct channel *channel) {
    while (channel_wants_to_flush(channel)) {
        ssize_t put = write(channel->fd, channel->out + channel->out_start, queued(channel));
        if (put < 0) return would_block() ? TRANSFER_OK : TRANSFER_ENDED;
        channel->out_start += (size_t)put;
    }
    channel->out_start = channel->out_end = 0;
    return TRANSFER_OK;
}

bool channel_has_reply_room(const struct channel *channel) {
    return OUTBOX_BYTES - queued(channel) >= FRAME_HEADER_BYTES + REPLY_BYTES_MAX;
}

bool channel_has_output_room(const struct channel *channel) {
    return queued(channel) <= OUTPUT_QUEUE_BYTES;
}

uint8_t *channel_payload(struct channel *channel, size_t length) {
    if (OUTBOX_BYTES - channel->out_end < FRAME_HEADER_BYTES + length) {
        memmove(channel->out, channel->out + channel->out_start, queued(channel));
        channel->out_end = queued(channel);
        channel->out_start = 0;
    }
    return channel->out + channel->out_end + FRAME_HEADER_BYTES;
}

void channel_commit(struct channel *channel, enum guest_frame type, uint32_t stream_id, size_t length) {
    uint8_t *head = channel->out + channel->out_end;
    write_u32(head, (uint32_t)length);
    head[4] = (uint8_t)type;
    write_u32(head + 5, stream_id);
    channel->out_end += FRAME_HEADER_BYTES + length;
}

void channel_reply(struct channel *channel, enum guest_frame type, uint32_t stream_id, const void *payload,
                   size_t length) {
    memcpy(channel_payload(channel, length), payload, length);
    channel_commit(channel, type, stream_id, length);
}

void channel_refuse(struct channel *channel, uint32_t stream_id, const char *format, ...) {
    char text[REPLY_BYTES_MAX];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    if (length < 0) length = 0;
    if ((size_t)length >= sizeof text) length = (int)sizeof text - 1;
    channel_reply(channel, GUEST_FAILED, stream_id, text, (size_t)length);
}
