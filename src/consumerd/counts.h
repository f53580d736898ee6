/* What the consumer has done since its start: one set of counters, kept where messages come in and
 * go out (hand.h), for whoever tells of them. A message that was received is in flight until it is
 * deleted, released or lost, and counts once in one of those. */
#pragma once

#include "buffer.h"
#include "handler.h"

enum { HANDLER_N_OUTCOMES = HANDLER_UNAVAILABLE + 1 };

/* Why a message is released. */
enum release_reason {
    RELEASE_NOT_BEGUN,   /* at a stop */
    RELEASE_INTERRUPTED, /* at a stop, while it was handled */
    RELEASE_AWAY,        /* at a stop, and the handler is not reached */
    RELEASE_RETRY,       /* the handler could not handle it, or did not answer */
    RELEASE_REFUSED,     /* a gateway has refused it, and it alone (outage.h) */
    RELEASE_BEHIND,      /* one before it in its group comes back */
    RELEASE_LEASE,       /* its lease counted as lost, and was not */
    RELEASE_N_REASONS,
};

struct counts { /* all zero: nothing yet; of uint64_t alone (progress.h) */
    uint64_t received;
    uint64_t outcomes[HANDLER_N_OUTCOMES]; /* of the handler; of one message maybe several */
    uint64_t deleted;
    uint64_t released[RELEASE_N_REASONS];
    uint64_t lost; /* they come back, or are back, by themselves */
};

/* "it was not begun before the stop" */
const char *release_reason_text(enum release_reason reason);

/* Appends what was counted since `before`: "12 received, 11 deleted, 1 released". After the first
 * two only what there was. */
void counts_append(struct buffer *line, const struct counts *counts, const struct counts *before);
