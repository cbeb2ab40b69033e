/**
 * The numbers of the guest protocol. src/contract/guest.ts states the same and says what each frame means; a
 * test compares the two. A frame is `u32 payload length | u8 type | u32 stream id | payload`, little-endian.
 */
#ifndef BLIXARD_PROTOCOL_H
#define BLIXARD_PROTOCOL_H

enum {
    PROTOCOL_VERSION = 3,
    FRAME_HEADER_BYTES = 9,
    FRAME_BYTES_MAX = 64 * 1024,
    EXEC_SPEC_BYTES_MAX = 512 * 1024,
    STDIN_CREDIT_BYTES = 256 * 1024,
    STREAM_CREDIT_BYTES = 1024 * 1024,
    ENTROPY_BYTES = 64,
    HOST_NAME_LENGTH = 64,
    PING_BYTES_MAX = 64,
    STREAMS_MAX = 64,
};

enum host_frame {
    HOST_HELLO = 0x01,
    HOST_PING = 0x02,
    HOST_EXEC_PART = 0x03,
    HOST_EXEC = 0x04,
    HOST_STDIN = 0x05,
    HOST_STDIN_END = 0x06,
    HOST_SIGNAL = 0x07,
    HOST_CREDIT = 0x08,
    HOST_POWER_OFF = 0x09,
    HOST_TASK = 0x10,
    HOST_RUN = 0x11,
    HOST_HAND_OVER = 0x12,
    HOST_RESUME = 0x18,
    HOST_NOTE = 0x19,
    HOST_RESET = 0x1a,
};

enum guest_frame {
    GUEST_HELLO_REPLY = 0x81,
    GUEST_PONG = 0x82,
    GUEST_STDOUT = 0x83,
    GUEST_STDERR = 0x84,
    GUEST_EXITED = 0x85,
    GUEST_FAILED = 0x86,
    GUEST_STDIN_CREDIT = 0x87,
    GUEST_TAKEN = 0x91,
    GUEST_RESUMED = 0x98,
    GUEST_DONE = 0x99,
};

#endif
