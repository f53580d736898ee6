/* SPDX-License-Identifier: MIT */
/* What a source yields: a message with what belongs to it. */
#pragma once

#include "sqs/message.h"

/* Borrowed from the source until it is settled, and unchanged:
 * its deduplication id is fixed, and kept over every retry. */
struct source_message {
    struct sqs_message message;
    const char *id;               /* for the log */
    const char *spool_id;         /* the same where it is that of the spool; else NULL */
    uint64_t in_doubt_since_usec; /* wall clock: since when it may stand in the queue already; 0: it
                                    was never sent */
};
