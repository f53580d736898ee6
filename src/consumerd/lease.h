/* SPDX-License-Identifier: MIT */
/* How long the messages in hand are ours, and which of them to extend when. Knows no clock and
 * sends nothing: the caller brings the time and the answers.
 *
 * A lease is counted from before the request went out that began or extended it, so it ends here no
 * later than at SQS. It is extended when half of what remained has passed. Every message in hand
 * has a lease of its own, also on a FIFO queue: extending the earliest of a group would hold the
 * others back, but their own receipt handles would expire. */
#pragma once

#include "consumerd/message.h"

/* SQS's bound is 12 hours in all; this leaves a minute for requests on their way. */
#define LEASE_TOTAL_MAX_USEC ((SQS_VISIBILITY_MAX_SEC - 60) * USEC_PER_SEC)

struct leases {
    struct list by_time;      /* by lease.next_usec; of equal ones the first begun is the first */
    uint64_t first_usec;      /* that messages come with */
    uint64_t visibility_usec; /* that they are extended to */
};

struct lease_renewal {
    struct message *message;
    unsigned visibility_sec; /* to ask for */
};

/* visibility_usec: whole seconds, at least one. */
void leases_init(struct leases *leases, uint64_t visibility_usec);

/* Those from now on: first_sec is what the receive has asked for. At least one. */
void leases_set_times(struct leases *leases, unsigned first_sec, unsigned visibility_sec);

/* From message->received_usec on. */
void lease_begin(struct leases *leases, struct message *message, uint64_t now_usec);

/* No longer extended. What lease_holds says stays true. */
void lease_stop_renewal(struct leases *leases, struct message *message);

/* SQS says that it is over: no longer extended, and no longer held. */
void lease_mark_lost(struct leases *leases, struct message *message);

bool lease_holds(const struct message *message, uint64_t now_usec);

/* When it ends, if it is not extended. */
static inline uint64_t lease_end_usec(const struct message *message)
{
    return message->lease.end_usec;
}

/* A request that extends it is on its way. */
static inline bool lease_is_renewing(const struct message *message)
{
    return message->lease.is_renewing;
}

/* The whole seconds left of the 12 hours. */
unsigned lease_visibility_max_sec(const struct message *message, uint64_t now_usec);

/* When the next of the two below has something to give; USEC_INFINITY: never. */
uint64_t leases_next_usec(const struct leases *leases);

/* The next message whose lease has ended, and forgets its lease; NULL: none. */
struct message *leases_take_ended(struct leases *leases, uint64_t now_usec);

/* Fills ret[] with messages to extend now, the earliest received first; those due soon come along
 * in the same batch. Each is then to be told of by one of the two below. Returns how many. */
size_t leases_take_due(struct leases *leases, uint64_t now_usec, struct lease_renewal *ret,
                       size_t max);

/* An extension that was sent at `sent_usec` has succeeded. */
void lease_renewed(struct leases *leases, struct message *message, uint64_t sent_usec,
                   unsigned visibility_sec, uint64_t now_usec);

/* It has not; try again at `retry_usec`, USEC_INFINITY: not again. */
void lease_not_renewed(struct leases *leases, struct message *message, uint64_t retry_usec);
