/**
 * Interpreters that run already and wait for the one command they will take. Such a zygote has the pipes of a command
 * from the start. It is sent the exec spec of the command at its control socket, and becomes that command, or refuses.
 */
#ifndef BLIXARD_ZYGOTE_H
#define BLIXARD_ZYGOTE_H

#include "path.h"
#include "spec.h"
#include "streams.h"

enum { ZYGOTES_MAX = 4 };

struct zygote {
    /** 0: the place is free. */
    pid_t pid;
    /** It waits; before, it is the command of a stream. */
    bool ready;
    /** It is there for a command of no consequence, never for one of a job. */
    bool rehearses;
    int control, input, output, error;
    char program[PROGRAM_BYTES_MAX];
};

struct zygotes {
    struct zygote places[ZYGOTES_MAX];
};

/** The task `zygote ARGV…` starts one, `rehearsal ARGV…` one that is there for a command of no consequence. */
bool zygote_is_asked(const struct spec *spec);

/** Starts it as the command of a stream, which ends with 0 as soon as it is ready. Returns 0, or errno. */
int zygotes_start(struct zygotes *zygotes, struct stream *stream, const struct spec *spec);

/** Takes what a starting zygote printed: that it is ready. False: the stream is none of one that starts. */
bool zygotes_hear(struct zygotes *zygotes, struct stream *stream);

/**
 * Hands the command over to the zygote that is its program: true when one has taken it and is now the process of the
 * stream. Waits for the answer, some milliseconds as a rule, a few seconds at most. No other zygote is left then.
 */
bool zygotes_hand_over(struct zygotes *zygotes, struct stream *stream, const struct spec *spec);

/**
 * As `zygotes_hand_over`, for a command of no consequence, to one that was started for such: all that happens from the
 * taking of a command to its end has then happened once. Those that wait for a command of a job go on waiting.
 */
bool zygotes_rehearse(struct zygotes *zygotes, struct stream *stream, const struct spec *spec);

/** Ends all that wait. */
void zygotes_end(struct zygotes *zygotes);

/** This process has ended and was collected. */
void zygotes_forget(struct zygotes *zygotes, pid_t pid);

#endif
