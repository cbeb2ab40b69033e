/** Starts a command in its own session, with three pipes, as the user and in the folder its spec names. */
#ifndef BLIXARD_COMMAND_H
#define BLIXARD_COMMAND_H

#include "spec.h"
#include "streams.h"
#include "tasks.h"

/** What a controlled command has as its end of the control socket. */
enum { CONTROL_FILENO = 3 };

/**
 * Fills the pid and the pipe ends of `stream`. Returns 0, or errno when no process could be made. What
 * goes wrong after that (no program, bad folder) the new process tells on its stderr and by its exit code.
 * With a task that is what the process does, in place of the program of the spec.
 */
int command_start(struct stream *stream, const struct spec *spec, task_body *task);

/** The same, without a task; the agent's end of a socket to the command becomes `control`. */
int command_start_controlled(struct stream *stream, const struct spec *spec, int *control);

#endif
