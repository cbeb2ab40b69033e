/**
 * What the agent does itself around a command. It makes its run directory and reads its progress; putting files in and
 * collecting what it left is done by children of the agent, so that they may block and fail alone.
 */
#ifndef BLIXARD_TASKS_H
#define BLIXARD_TASKS_H

#include "spec.h"

/** The exit code of a task that found no room; the host tells a full disk from other trouble by it. */
enum { EXIT_NO_SPACE = 28 };

/** A task: runs in the child, in the folder and as the user of the spec; gives the exit code. */
typedef int task_body(const struct spec *spec);

/** The task that argv[0] names, or NULL. */
task_body *task_find(const struct spec *spec);

/** It would do nothing and end with 0, so no child is needed. */
bool task_is_needless(const struct spec *spec);

/** `limits` has no child: it holds for the commands that are started after it, see limits.h. */
bool task_is_limits(const struct spec *spec);

/** `watch` has no child: it is a stream whose output is the pipe of the progress. */
bool task_is_watch(const struct spec *spec);

/** Makes the run directory; returns the pipe of its progress, or -1 with errno. */
int task_watch(const struct spec *spec);

#endif
