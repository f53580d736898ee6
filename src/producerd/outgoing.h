/* A message between the source and its settlement. A plain value, in a pool of the producer's; each
 * part of it is written by the one module that is named. */
#pragma once

#include "backoff.h"
#include "source.h"

struct outgoing {
    /* the producer's */
    const struct source_message *source; /* NULL: this place of the pool is free */
    size_t bytes;                        /* that SQS counts */
    bool is_alone;    /* goes in a request of its own: a batch with it was refused as a whole */
    bool is_unknown;  /* was sent, and may or may not stand in the queue */
    bool is_late;     /* went again when SQS may have forgotten it (doubt.h) */
    bool is_in_doubt; /* an attempt went out whose outcome is not known, the first: */
    int64_t first_unknown_usec; /* boot clock */
    unsigned failures;          /* in a row, of the same kind */
    enum backoff_kind failure_kind;

    /* the lanes' (lane.h) */
    struct lane *lane;
    struct outgoing *next; /* in its lane; or of the free places */
};
