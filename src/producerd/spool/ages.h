/* SPDX-License-Identifier: MIT */
/* Since when the oldest message of the spool waits. The spool keeps no times. This keeps, for some
 * moments, the number that the next message had then. A message that an earlier process has added
 * counts from this process's start. Pure. */
#pragma once

#include "util/macro.h"

enum { SPOOL_AGES_MAX = 64 };

struct spool_ages { /* all zero at first */
    /* The messages below `number`, and not below that of the mark before, were added at `usec` or
     * somewhat later. */
    struct {
        uint64_t number, usec;
    } marks[SPOOL_AGES_MAX];
    size_t n;
    uint64_t interval_usec; /* the least time between two marks */
};

/* All messages below this number were added by now. */
void spool_ages_note(struct spool_ages *ages, uint64_t next_number, uint64_t now_usec);

/* For how long the message with this number has waited. It is the oldest one: what is known of
 * earlier ones is forgotten. It is right within a second, or within a 32nd of the time for which
 * messages have been added without the spool getting empty. */
uint64_t spool_ages_oldest_usec(struct spool_ages *ages, uint64_t number, uint64_t now_usec);
