/** What the agent says about itself and its guest. */
#ifndef BLIXARD_FACTS_H
#define BLIXARD_FACTS_H

#include <stddef.h>
#include <stdint.h>

/** Writes the JSON of a hello reply; returns its length. `token` has nothing that JSON has to escape. */
size_t facts_write(char *json, size_t room, const char *token);

/** The processor's time stamp counter, from which the host measures its rate; 0 where there is none. */
uint64_t facts_tsc(void);

#endif
