/* SPDX-License-Identifier: MIT */
/* Tells which messages SQS may store twice.
 *
 * When the answer to a send is lost, the message is in doubt: SQS may or may not have stored it.
 * The producer sends it again, unchanged. On a FIFO queue SQS drops the second copy, but it
 * remembers a deduplication id for five minutes only (Amazon SQS Developer Guide, "Exactly-once
 * processing"). A retry after that may be stored twice. The message is sent all the same, since not
 * sending it could lose it, and a warning names it.
 *
 * The five minutes begin when the first attempt of unknown outcome was sent, which is never later
 * than the moment at which SQS stored the message. They are measured on the boot clock, because the
 * wall clock may jump. If an earlier process sent the message, only a time of the wall clock is
 * known; it is converted once, when the message is taken from the spool.
 *
 * Pure: the caller reads the clocks. All times are in microseconds. */
#pragma once

#include "producerd/outgoing-message.h"

#define DEDUPLICATION_INTERVAL_USEC (300 * USEC_PER_SEC)

/* Sets up a message that was just taken from the source. Returns true when an earlier process may
 * have sent it. */
static inline bool deduplication_restore(struct outgoing_message *m, uint64_t wall_usec,
                                         uint64_t boot_usec)
{
    uint64_t since_usec = m->source->in_doubt_since_usec;

    /* A time in the future means that the wall clock was set back. The result may lie before the
     * boot, so it is signed. */
    m->in_doubt_since_usec = (int64_t)boot_usec - (int64_t)(wall_usec - MIN(since_usec, wall_usec));
    return since_usec > 0;
}

/* Returns true when an attempt that is sent now is the first that SQS may store as a duplicate. */
static inline bool deduplication_has_expired(const struct outgoing_message *m, uint64_t boot_usec)
{
    return outgoing_state_is_in_doubt(m->state) &&
           !outgoing_state_is_possible_duplicate(m->state) &&
           (int64_t)boot_usec - m->in_doubt_since_usec > (int64_t)DEDUPLICATION_INTERVAL_USEC;
}

/* Notes that the attempt sent at `sent_usec` of the boot clock has an unknown outcome. Only the
 * first such attempt counts. Call it before outgoing_message_apply, which changes the state. */
static inline void deduplication_note_unknown(struct outgoing_message *m, uint64_t sent_usec)
{
    if (!outgoing_state_is_in_doubt(m->state))
        m->in_doubt_since_usec = (int64_t)sent_usec;
}
