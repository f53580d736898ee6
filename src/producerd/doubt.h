/* Whether a message may stand in the queue already: it was sent, and what came of that is not
 * known. It is sent again then, which does no harm on a FIFO queue as long as SQS remembers its
 * deduplication id (Amazon SQS Developer Guide, "Exactly-once processing"). After that it may be
 * stored twice, and nothing can be done but to say so: not to send it might lose it.
 *
 * The interval is counted from when the first such attempt went out, which is no later than SQS
 * took it. Pure: times are wall clock, in microseconds since the epoch, since doubt outlives the
 * process. */
#pragma once

#include "outgoing.h"

#define DEDUPLICATION_INTERVAL_USEC (300 * USEC_PER_SEC)

/* Of a message just taken up. */
static inline void doubt_begin(struct outgoing *m)
{
    m->first_unknown_usec = m->source->first_unknown_usec;
    m->is_unknown = m->first_unknown_usec > 0;
}

/* An attempt goes out. Returns true where it is the first that may make a duplicate. */
static inline bool doubt_sending(struct outgoing *m, uint64_t now_usec)
{
    uint64_t since_usec = m->first_unknown_usec;

    m->is_unknown = true;
    if (m->is_late || since_usec == 0 || now_usec < since_usec ||
        now_usec - since_usec <= DEDUPLICATION_INTERVAL_USEC)
        return false;
    m->is_late = true;
    return true;
}

/* The attempt that went out at `sent_usec` did not succeed, as far as is known. Once in doubt, a
 * message stays so: what is known of a later attempt tells nothing of an earlier one. */
static inline void doubt_failed(struct outgoing *m, bool is_outcome_unknown, uint64_t sent_usec)
{
    if (is_outcome_unknown && m->first_unknown_usec == 0)
        m->first_unknown_usec = sent_usec;
    m->is_unknown = m->first_unknown_usec > 0;
}
