/* SPDX-License-Identifier: MIT */
/* A message as a source yields it (source.h). It is defined here because each message of the spool
 * begins with one. */
#pragma once

#include "sqs/message.h"

/* The source owns it, and the producer borrows it until it is settled. It does not change: every
 * retry uses the same deduplication id. */
struct source_message {
    struct sqs_message message;
    const char *id;       /* for the log */
    const char *spool_id; /* the id in the spool; NULL for other sources */
    /* wall clock: when an earlier process first sent it; 0: never */
    uint64_t in_doubt_since_usec;
};
