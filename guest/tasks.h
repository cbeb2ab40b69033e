/**
 * What the agent does itself around a command: makes its run directory, passes its progress on, puts files in, and
 * collects what it left. Each is a child of the agent on a stream of its own, so that it may block and fail alone.
 */
#ifndef BLIXARD_TASKS_H
#define BLIXARD_TASKS_H

#include "spec.h"

/** A task: runs in the child, in the folder and as the user of the spec; gives the exit code. */
typedef int task_body(const struct spec *spec);

/** The task that argv[0] names, or NULL. */
task_body *task_find(const struct spec *spec);

/**
 * What has to be there before the next frame of the host is handled: the run directory of a `watch`. Returns 0 or
 * errno.
 */
int task_prepare(const struct spec *spec);

#endif
