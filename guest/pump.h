/** Moves bytes between the channel and the pipes of commands, within both sides' credit, never blocking. */
#ifndef BLIXARD_PUMP_H
#define BLIXARD_PUMP_H

#include "channel.h"
#include "streams.h"

/** Takes stdin from the host. False: it sent more than it may, or memory is out. */
bool pump_accept_input(struct input *input, const uint8_t *bytes, size_t length);

/** Gives the command what it takes of its stdin, and the host the credit for that. */
void pump_input(struct channel *channel, struct stream *stream);

/** Sends at most one frame of each output pipe. */
void pump_output(struct channel *channel, struct stream *stream);

bool pump_wants_input(const struct stream *stream);
bool pump_wants_output(const struct channel *channel, const struct stream *stream);

#endif
