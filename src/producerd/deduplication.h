/* SPDX-License-Identifier: MIT */
/* Whether a message may stand in the queue already: it was sent, and what came of that is not
 * known. It is sent again then, which does no harm on a FIFO queue as long as SQS remembers its
 * deduplication id (Amazon SQS Developer Guide, "Exactly-once processing"). After that it may be
 * stored twice, and nothing can be done but to say so: not to send it might lose it.
 *
 * The interval is counted from when the first such attempt went out, which is no later than SQS
 * took it, on the boot clock: the wall clock may jump. Only doubt from an earlier life of the
 * process is known by the wall clock, and is counted from then on as it stands when the message is
 * taken up. Pure: the clocks are read by the caller, in microseconds. */
#pragma once

#include "producerd/outgoing-message.h"

#define DEDUPLICATION_INTERVAL_USEC (300 * USEC_PER_SEC)

/* Of a message just taken up. True: an earlier process may have sent it. */
static inline bool deduplication_restore(struct outgoing_message *m, uint64_t wall_usec,
                                         uint64_t boot_usec)
{
    uint64_t since_usec = m->source->in_doubt_since_usec;

    /* A time to come means that the clock was put back. It may lie before the boot. */
    m->in_doubt_since_usec = (int64_t)boot_usec - (int64_t)(wall_usec - MIN(since_usec, wall_usec));
    return since_usec > 0;
}

/* Whether an attempt that goes out now is the first that may make a duplicate. */
static inline bool deduplication_has_expired(const struct outgoing_message *m, uint64_t boot_usec)
{
    return outgoing_state_is_in_doubt(m->state) &&
           !outgoing_state_is_possible_duplicate(m->state) &&
           (int64_t)boot_usec - m->in_doubt_since_usec > (int64_t)DEDUPLICATION_INTERVAL_USEC;
}

/* The outcome of the attempt that went out at `sent_usec` of the boot clock is unknown, which is
 * about to be told by outgoing_message_apply. The first one counts. */
static inline void deduplication_note_unknown(struct outgoing_message *m, uint64_t sent_usec)
{
    if (!outgoing_state_is_in_doubt(m->state))
        m->in_doubt_since_usec = (int64_t)sent_usec;
}
