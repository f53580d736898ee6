/* SPDX-License-Identifier: MIT */
/* The handler's outage: from the first message that did not reach it until one is answered. Decides
 * when the next message is tried, and whose fault a gateway's refusal is. Pure: the caller brings
 * the time and the randomness.
 *
 * While it lasts, one message is tried at a time, with a back-off, and the caller receives nothing
 * further as long as it has one to try. A message that was not reached is never charged.
 *
 * A gateway that answers 502, 503 or 504 in the handler's place ("unavailable") does not say
 * whether the handler is away or this message has just crashed it, and refuses all that are with
 * the handler at that moment. So a message is charged only where it is known to be the one:
 *
 *   - It was refused in two outages, or in one while another got through that had been begun
 * before: it is a suspect, and once the handler answers again, it is tried with nothing else beside
 * it. If it is refused then, it is charged; if it is answered, it is none.
 *   - It is the only one there is to try, and OUTAGE_RETRIES_ALONE further tries were refused.
 *   - Several are refused in turn for OUTAGE_UNDECIDED_MAX_USEC: one of them. (Two that crash the
 * handler would otherwise hold up the queue for 12 hours.) */
#pragma once

#include "util/macro.h"

/* The back-off: doubled with each failure, the half of it random. Of a gateway it grows further:
 * each try is a whole request to something that may be overloaded. */
#define OUTAGE_BACKOFF_MIN_USEC (1 * USEC_PER_SEC)
#define OUTAGE_BACKOFF_MAX_USEC (10 * USEC_PER_SEC)
#define OUTAGE_GATEWAY_BACKOFF_MAX_USEC (30 * USEC_PER_SEC)
/* The most that a gateway may put off the next try. */
#define OUTAGE_ASKED_MAX_USEC (300 * USEC_PER_SEC)

enum { OUTAGE_RETRIES_ALONE = 3 };
#define OUTAGE_UNDECIDED_MAX_USEC (900 * USEC_PER_SEC)

struct outage { /* all zero: none yet */
    bool is_on;
    bool is_gateway; /* the last failure was a gateway's */
    uint64_t since_usec;
    uint64_t next_usec;    /* no try before */
    uint64_t charged_usec; /* the last charge for want of another answer; 0: none */
    unsigned n_failures;   /* of tries, in a row */
    uint64_t n_outages;
    uint64_t started;        /* the event: what was begun before is no try */
    uint64_t n_events;       /* begins, answers and refusals, to tell what came first */
    uint64_t answered_begun; /* when that was begun which was answered last */
};

/* What is known of one message; all zero when it is received. */
struct outage_record {
    uint64_t begun, refused; /* the events, last; 0: never */
    uint64_t outage;         /* in which it was refused last */
    unsigned n_refused, n_outages;
    bool is_isolated; /* a suspect with the handler, and nothing else is to be beside it */
};

/* Whether a message may be handed to the handler now. */
bool outage_may_begin(const struct outage *outage, uint64_t now_usec);

/* Whether it must not be handed over while others are with the handler, where no outage is on. */
bool outage_is_suspect(const struct outage_record *mark);

/* Whether it is with the handler as a suspect, and nothing else is to be beside it. */
static inline bool outage_is_isolated(const struct outage_record *mark)
{
    return mark->is_isolated;
}

/* How often a gateway has refused it. */
static inline unsigned outage_refusal_count(const struct outage_record *mark)
{
    return mark->n_refused;
}

/* A message is handed to the handler. The time and `random`, any 64 random bits, count only where
 * outage.is_on. */
void outage_message_begun(struct outage *outage, struct outage_record *mark, uint64_t now_usec,
                          uint64_t random);

/* The handler has answered to a message, whatever it said. True: that has ended an outage. Then
 * outage_mark_suspect is to be called for each that waits. */
bool outage_answered(struct outage *outage, const struct outage_record *mark);
void outage_mark_suspect(const struct outage *outage, struct outage_record *mark);

/* A message did not reach the handler; the next try is to wait for `asked_usec` (0: for the
 * back-off alone). */
void outage_not_reached(struct outage *outage, const struct outage_record *mark,
                        uint64_t asked_usec, uint64_t now_usec, uint64_t random);

/* A gateway has refused a message; it asks for `asked_usec` until the next try (0: nothing).
 * `is_alone`: no other message is with the handler or could be tried. True: it is charged. */
bool outage_unavailable(struct outage *outage, struct outage_record *mark, bool is_alone,
                        uint64_t asked_usec, uint64_t now_usec, uint64_t random);
