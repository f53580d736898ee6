/* SPDX-License-Identifier: MIT */
/* The messages in hand: from a receive's reply until SQS has deleted each or has it back. Handles
 * as many at once as are allowed, those of a group one after the other; keeps their leases; deletes
 * what was handled, gives back what was not.
 *
 * With a ledger, what was handled is written there before its delete is sent, and what the ledger
 * has is not handled again but deleted in its turn. The sync of that is done in inflight_dispatch, and
 * blocks: one for all that was handled since the last. A ledger that cannot be written or read
 * stops nothing: the log says so, and messages are handled at least once, as without one.
 *
 * Messages that the handler is away for wait in their lanes and keep their leases, up to SQS's 12
 * hours, and are tried again one by one (outage.h); a stop gives them back. One that loses its
 * lease meanwhile comes back as any other. */
#pragma once

#include "consumerd/counts.h"
#include "consumerd/handler/handler.h"
#include "consumerd/ledger.h"
#include "daemon/queue.h"

struct inflight;

struct inflight_options {
    bool is_fifo;
    unsigned visibility_sec; /* more than 0 */
    unsigned concurrency;    /* messages begun and not settled, at most */
    uint64_t delete_linger_usec;
    uint64_t retry_delay_usec, retry_delay_max_usec;
};

/* Something has happened: inflight_dispatch is to be called soon, not from inside the callback. */
typedef void (*inflight_changed_fn)(void *userdata);

/* Queue, handler and ledger (NULL: none) are borrowed. 0 or -ENOMEM. */
int inflight_new(struct queue *queue, struct handler *handler, struct ledger *ledger,
                 const struct inflight_options *options, inflight_changed_fn changed,
                 void *userdata, struct inflight **ret);
struct inflight *
inflight_free(struct inflight *inflight); /* cancels what is being handled; silently */
DEFINE_CLEANUP(struct inflight *, inflight_free)

/* Messages taken in from now on come with a lease of `first_sec`, and all are extended to
 * `visibility_sec`, each at least 1. */
void inflight_set_lease(struct inflight *inflight, unsigned first_sec, unsigned visibility_sec);

/* Takes in a receive's messages. `sent_usec`: before the receive went out. */
void inflight_add(struct inflight *inflight, struct sqs_reply *reply, uint64_t sent_usec);

/* Does all that is due. 0, or a negative errno: something could not be sent, and is tried again
 * later. `*ret_next_usec`, always set: when to call again if nothing happens before. */
int inflight_dispatch(struct inflight *inflight, uint64_t *ret_next_usec);

/* From now on nothing is begun, and what is not begun or is taken in is given back: when no
 * receives are under way (inflight_set_receiving), and the handler has ended with what lost its lease
 * before it in its group. `end_usec`: what is in hand then is left. */
void inflight_stop(struct inflight *inflight, uint64_t end_usec);

/* Whether receives are under way that a released message could come to: at a stop each would only
 * take it to be released again, and count as one more receive of the message on its way to the
 * dead-letter queue. */
void inflight_set_receiving(struct inflight *inflight, bool is_receiving);

/* Has the handler end with what it has, within that time; then it is given back at once, unless it
 * had got through before. Returns how many that are. */
size_t inflight_cancel(struct inflight *inflight, uint64_t grace_usec);

/* The same for those that wait for nothing but the log, to take a line of theirs. */
size_t inflight_cancel_log_waits(struct inflight *inflight);

struct inflight_status {
    size_t messages;  /* all */
    size_t bytes;     /* of the replies that brought them: each stays until its last is settled */
    size_t wanted;    /* that have a place or could use one now: all but those that wait for
                           another of their group, or are given back without having begun */
    size_t handling;  /* with the handler */
    size_t deleting;  /* handled, to be deleted */
    size_t releasing; /* to be given back, or to be when no more is received */
    bool is_paused;   /* the handler is away: nothing further is to be received */
    uint64_t outage_usec; /* for so long the handler has been away; 0: it is not */
    const char *away; /* why, one line; borrowed until the next call of a function of inflight.h */
    uint64_t visible_usec; /* boot clock: by then all that left our hands undeleted can be received
                           again, if no other has it */
};

struct inflight_status inflight_status(const struct inflight *inflight);

/* What was done since the beginning. Borrowed; it goes on counting. */
const struct consumer_counts *inflight_counts(const struct inflight *inflight);
