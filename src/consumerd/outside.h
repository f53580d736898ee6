/* What comes from outside into the consumer's modules beside SQS's answers: time and randomness.
 * Tests put their own in the place of outside.c. */
#pragma once

#include "macro.h"

/* The boot clock, read at this moment: never the event loop's, which stands still while a callback
 * runs and while the process is stopped in one. */
uint64_t outside_now_usec(void);

/* The wall clock, since the epoch: for what must be understood after a boot. */
uint64_t outside_wall_usec(void);

uint64_t outside_random(void);
