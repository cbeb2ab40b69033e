/** The byte stream to the host, cut into frames; both directions buffered in a fixed amount of memory. */
#ifndef BLIXARD_CHANNEL_H
#define BLIXARD_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

enum {
    INBOX_BYTES = 2 * (FRAME_HEADER_BYTES + FRAME_BYTES_MAX),
    OUTBOX_BYTES = 256 * 1024,
    /** No reply is longer, so a frame of the host is only looked at when this much room is left. */
    REPLY_BYTES_MAX = 1024,
    /** No frame of output is begun with more than this in the outbox, so that replies always find room. */
    OUTPUT_QUEUE_BYTES = OUTBOX_BYTES / 2,
};

struct frame {
    uint8_t type;
    uint32_t stream_id;
    const uint8_t *payload;
    size_t length;
};

struct channel {
    int fd;
    size_t in_start, in_end;
    size_t out_start, out_end;
    uint8_t in[INBOX_BYTES];
    uint8_t out[OUTBOX_BYTES];
};

enum transfer { TRANSFER_OK, TRANSFER_ENDED };
enum next_frame { NEXT_NONE, NEXT_FRAME, NEXT_TOO_LONG };

/** Reads what the host has sent, as far as the inbox has room. */
enum transfer channel_receive(struct channel *channel);

/** Takes the next whole frame; its payload is valid until the next channel_receive. */
enum next_frame channel_next(struct channel *channel, struct frame *frame);

/** Writes what the host takes without blocking. */
enum transfer channel_flush(struct channel *channel);

bool channel_wants_to_receive(const struct channel *channel);
bool channel_wants_to_flush(const struct channel *channel);
bool channel_has_reply_room(const struct channel *channel);
bool channel_has_output_room(const struct channel *channel);

/** Where the payload of the next frame goes; channel_commit makes it a frame. */
uint8_t *channel_payload(struct channel *channel, size_t length);
void channel_commit(struct channel *channel, enum guest_frame type, uint32_t stream_id, size_t length);

/** Queues a reply of at most REPLY_BYTES_MAX; needs channel_has_reply_room. */
void channel_reply(struct channel *channel, enum guest_frame type, uint32_t stream_id, const void *payload,
                   size_t length);

/** Queues a `failed` with a text made as printf makes it. */
void channel_refuse(struct channel *channel, uint32_t stream_id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

uint32_t read_u32(const uint8_t *bytes);
void write_u32(uint8_t *bytes, uint32_t value);

#endif
