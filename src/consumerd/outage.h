/* SPDX-License-Identifier: MIT */
/* An outage of the handler: it begins with the first message that does not reach the handler, and
 * ends with the first that is answered. This file decides when the next message is tried, and
 * whether a message is to blame for a gateway's refusal. Pure: the caller passes the time and
 * random bits.
 *
 * During an outage one message is tried at a time, with a back-off, and the caller receives nothing
 * further while it has a message to try. A message that was not reached is never to blame.
 *
 * A gateway may answer 502, 503 or 504 in the handler's place ("unavailable"). That answer does not
 * tell whether the handler is away or has just crashed over this message, and every message that is
 * with the handler at that moment gets it. A message is charged (it counts as failed, and is
 * released) only in these cases:
 *
 *   - It is refused while it is a suspect, with nothing else with the handler. A message becomes a
 *     suspect when it is refused in two outages, or when an outage that refused it is ended by
 *     another message that was begun before that refusal. Once the handler answers again, a suspect
 *     is tried alone. If it is answered, it was not the cause.
 *   - It is the only message that can be tried, and OUTAGE_RETRIES_ALONE further tries were
 *     refused.
 *   - Several messages were refused in turn for OUTAGE_UNDECIDED_MAX_USEC: the one refused then is
 *     charged. (Two messages that both crash the handler would otherwise hold up the queue for 12
 *     hours.) */
#pragma once

#include "util/macro.h"

/* The back-off doubles with each failure, and half of it is random. It grows further for a
 * gateway's refusals: each try sends a whole request to a server that may be overloaded. */
#define OUTAGE_BACKOFF_MIN_USEC (1 * USEC_PER_SEC)
#define OUTAGE_BACKOFF_MAX_USEC (10 * USEC_PER_SEC)
#define OUTAGE_GATEWAY_BACKOFF_MAX_USEC (30 * USEC_PER_SEC)
/* The longest wait that a gateway may ask for. */
#define OUTAGE_ASKED_MAX_USEC (300 * USEC_PER_SEC)

enum { OUTAGE_RETRIES_ALONE = 3 };
#define OUTAGE_UNDECIDED_MAX_USEC (900 * USEC_PER_SEC)

/* "Event numbers" count begins, answers and refusals, to tell which came first. */
struct outage { /* all zero: none yet */
    bool is_on;
    bool is_gateway; /* the last failure was a gateway's */
    uint64_t since_usec;
    uint64_t next_usec;    /* no try before */
    uint64_t charged_usec; /* the last charge after OUTAGE_UNDECIDED_MAX_USEC; 0: none */
    unsigned n_failures;   /* of tries, in a row */
    uint64_t n_outages;
    uint64_t begin_event; /* a message begun before it is no try of this outage */
    uint64_t last_event;
    uint64_t answered_begun_event; /* begun_event of the message that was answered last */
};

/* What is known about one message; all zero when it is received. */
struct outage_record {
    uint64_t begun_event, refused_event; /* the last ones; 0: never */
    uint64_t outage_number;              /* of the last outage in which it was refused */
    unsigned n_refused, n_outages;
    bool is_isolated; /* it was begun as a suspect: nothing else may be with the handler */
};

/* Whether a message may be begun now. */
bool outage_may_begin(const struct outage *outage, uint64_t now_usec);

/* Whether the message is a suspect. When no outage is on, a suspect is begun only while no other
 * message is with the handler. */
bool outage_is_suspect(const struct outage_record *record);

/* Whether it is with the handler as a suspect: no other message may be begun. */
static inline bool outage_is_isolated(const struct outage_record *record)
{
    return record->is_isolated;
}

/* How often a gateway has refused the message. */
static inline unsigned outage_refusal_count(const struct outage_record *record)
{
    return record->n_refused;
}

/* A message is given to the handler. The time and `random`, any 64 random bits, are used only while
 * outage.is_on. */
void outage_message_begun(struct outage *outage, struct outage_record *record, uint64_t now_usec,
                          uint64_t random);

/* The handler has answered a message; any answer counts. True: this ends an outage. The caller then
 * calls outage_mark_suspect for each message that waits. */
bool outage_answered(struct outage *outage, const struct outage_record *record);

/* Makes the message a suspect if it was refused after the answered message was begun. */
void outage_mark_suspect(const struct outage *outage, struct outage_record *record);

/* A message did not reach the handler. The next try waits for the back-off, and for at least
 * `asked_usec`. */
void outage_not_reached(struct outage *outage, const struct outage_record *record,
                        uint64_t asked_usec, uint64_t now_usec, uint64_t random);

/* The handler may have been repaired: the next try is due at once. */
void outage_retry_now(struct outage *outage, uint64_t now_usec);

/* A gateway has refused a message, and asks to wait for `asked_usec` (0: it does not ask).
 * `is_alone`: no other message is with the handler or could be tried. True: the message is
 * charged. */
bool outage_unavailable(struct outage *outage, struct outage_record *record, bool is_alone,
                        uint64_t asked_usec, uint64_t now_usec, uint64_t random);
