/** Sends the result and the artifacts of a command, one file after the other, on standard output. */
#ifndef BLIXARD_COLLECT_H
#define BLIXARD_COLLECT_H

#include "spec.h"

/** `collect RESULT_BYTES ARTIFACT_BYTES COUNT PATH…` in the run directory; gives the exit code. */
int collect(const struct spec *spec);

/** There is nothing to send. */
bool collect_is_needless(const struct spec *spec);

#endif
