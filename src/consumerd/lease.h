/* SPDX-License-Identifier: MIT */
/* The leases of messages in flight: how long SQS hides each message from other consumers, and when
 * to renew its lease. Pure: the caller passes the time, sends the renewals, and reports the
 * answers.
 *
 * A lease counts from a moment before the request that began or renewed it was sent. So it ends
 * here no later than at SQS. A lease is renewed when half of the time that was left at its
 * beginning or last renewal has passed.
 *
 * Each message has a lease of its own, on a FIFO queue too: to renew only the first of a group
 * would keep the others hidden, but their receipt handles would expire. */
#pragma once

#include "consumerd/message.h"

/* SQS hides a message for 12 hours at most, all renewals included. A minute of that is kept for
 * requests under way. */
#define LEASE_TOTAL_MAX_USEC ((SQS_VISIBILITY_MAX_SEC - 60) * USEC_PER_SEC)

struct leases {
    struct list by_time;      /* sorted by lease.next_usec; equal ones in the order they began */
    uint64_t first_usec;      /* the lease that messages are received with */
    uint64_t visibility_usec; /* the lease that a renewal asks for */
};

struct lease_renewal {
    struct message *message;
    unsigned visibility_sec; /* to ask for */
};

/* visibility_usec: whole seconds, at least one. */
void leases_init(struct leases *leases, uint64_t visibility_usec);

/* For leases and renewals from now on. `first_sec` is what the receive has asked for. Both are at
 * least 1. */
void leases_set_times(struct leases *leases, unsigned first_sec, unsigned visibility_sec);

/* The lease begins at message->received_usec. */
void lease_begin(struct leases *leases, struct message *message, uint64_t now_usec);

/* Stops renewing. The lease still ends at its time (lease_holds). A message without a lease is left
 * alone. */
void lease_stop_renewal(struct leases *leases, struct message *message);

/* SQS has said that the lease is over: stops renewing, and lease_holds is false from now on. */
void lease_mark_lost(struct leases *leases, struct message *message);

bool lease_holds(const struct message *message, uint64_t now_usec);

/* When the lease ends if it is not renewed. */
static inline uint64_t lease_end_usec(const struct message *message)
{
    return message->lease.end_usec;
}

/* Whether a renewal is under way. */
static inline bool lease_is_renewing(const struct message *message)
{
    return message->lease.is_renewing;
}

/* The largest visibility timeout, in seconds, that SQS accepts for this message now: the rest of
 * its 12 hours. */
unsigned lease_visibility_max_sec(const struct message *message, uint64_t now_usec);

/* When leases_take_ended or leases_take_due has something to return; USEC_INFINITY: never. */
uint64_t leases_next_usec(const struct leases *leases);

/* Returns a message whose lease has ended, and stops renewing it; NULL: none. */
struct message *leases_take_ended(struct leases *leases, uint64_t now_usec);

/* Fills ret[] with the messages to renew now, the most urgent first. Those that will be due soon
 * share the request. Returns how many, at most `max`. The caller reports each with lease_renewed or
 * lease_not_renewed. */
size_t leases_take_due(struct leases *leases, uint64_t now_usec, struct lease_renewal *ret,
                       size_t max);

/* A renewal that was sent at `sent_usec` has succeeded. */
void lease_renewed(struct leases *leases, struct message *message, uint64_t sent_usec,
                   unsigned visibility_sec, uint64_t now_usec);

/* The renewal has failed. It is due again at `retry_usec`; USEC_INFINITY: never. */
void lease_not_renewed(struct leases *leases, struct message *message, uint64_t retry_usec);
