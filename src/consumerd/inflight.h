/* SPDX-License-Identifier: MIT */
/* The messages in flight. A message is in flight from the reply that brought it until SQS has
 * deleted it or made it visible again, or until its lease has ended.
 *
 * Up to `concurrency` messages are handled at once. The messages of a FIFO group are handled one at
 * a time, in order. Every message keeps its lease until it ends. A message that was handled is
 * deleted; a message that was not handled is released.
 *
 * The ledger (optional) records the id of a handled message before the message is deleted. A
 * message whose id the ledger already has is deleted without being handled. inflight_dispatch
 * writes the ledger, and blocks for one sync of the disk, however many messages were handled since
 * the last call. When the ledger cannot be written or read, the log says so and the work goes on:
 * messages are then handled at least once, as without a ledger.
 *
 * When the handler cannot be reached, messages wait in their lanes, keep their leases for up to
 * SQS's 12 hours, and are tried again one by one (outage.h). A stop releases them. A message that
 * loses its lease meanwhile is received again like any other. */
#pragma once

#include "consumerd/counts.h"
#include "consumerd/handler/handler.h"
#include "consumerd/ledger.h"
#include "daemon/queue.h"

struct inflight;

struct inflight_options {
    bool is_fifo;
    unsigned visibility_sec; /* more than 0 */
    unsigned concurrency;    /* limit of the messages that hold a slot: begun and not yet ended */
    uint64_t delete_linger_usec;
    uint64_t retry_delay_usec, retry_delay_max_usec;
};

/* Something has happened. Call inflight_dispatch soon, but not from inside this callback. */
typedef void (*inflight_changed_fn)(void *userdata);

/* Queue, handler and ledger (NULL: none) are borrowed. 0 or -ENOMEM. */
int inflight_new(struct queue *queue, struct handler *handler, struct ledger *ledger,
                 const struct inflight_options *options, inflight_changed_fn changed,
                 void *userdata, struct inflight **ret);

/* Abandons the messages that are with the handler. Runs no callback. */
struct inflight *inflight_free(struct inflight *inflight);
DEFINE_CLEANUP(struct inflight *, inflight_free)

/* Messages added from now on have a lease of `first_sec`; every renewal asks for `visibility_sec`.
 * Both are at least 1. */
void inflight_set_lease(struct inflight *inflight, unsigned first_sec, unsigned visibility_sec);

/* Changes concurrency, delete_linger_usec and the delays of retries. Messages in flight go on: when
 * more hold a slot than `concurrency`, no further one is begun until enough have ended. A handler
 * that is not reached is tried at once. */
void inflight_reconfigure(struct inflight *inflight, const struct inflight_options *options);

/* Adds the messages of a receive's reply. `sent_usec` (boot clock) is a moment before the receive
 * was sent: leases count from there. Messages that do not fit into memory are logged and counted as
 * lost. */
void inflight_add(struct inflight *inflight, struct sqs_reply *reply, uint64_t sent_usec);

/* Does all that is due: writes the ledger, ends lost leases, begins messages, sends requests.
 * Returns 0, or a negative errno when a request could not be sent; it is sent later. Sets
 * `*ret_next_usec` in both cases: the time of the next call if nothing happens before. */
int inflight_dispatch(struct inflight *inflight, uint64_t *ret_next_usec);

/* Begins no message from now on. Messages that wait, and messages added later, are released as soon
 * as no receive is under way (inflight_set_receiving) and no message that lost its lease is still
 * with the handler ahead of them in their group. Messages that are still in flight at `end_usec`
 * are not finished. */
void inflight_stop(struct inflight *inflight, uint64_t end_usec);

/* Says whether receives are under way. During a stop SQS could give a released message to such a
 * receive; it would only be released again, and would be one receive nearer to the dead-letter
 * queue. */
void inflight_set_receiving(struct inflight *inflight, bool is_receiving);

/* Cancels every message that is with the handler; the handler has `grace_usec` to end. Each message
 * is then released at once, unless the handler was done with it before. Returns the number of
 * messages cancelled. */
size_t inflight_cancel(struct inflight *inflight, uint64_t grace_usec);

/* The same, without grace, for messages that wait only for the log to take a line. */
size_t inflight_cancel_log_waits(struct inflight *inflight);

struct inflight_status {
    size_t messages;  /* all */
    size_t bytes;     /* of their replies; a reply stays in memory until its last message ends */
    size_t wanted;    /* slots that are taken, and slots that messages could take now. Messages
                              that wait for another one of their group could take none, nor could
                              messages that are released before they were begun */
    size_t handling;  /* with the handler */
    size_t deleting;  /* handled, to be deleted */
    size_t releasing; /* to be released, now or when no receive is under way any more */
    bool is_paused;   /* the handler is not reached: receive nothing further */
    uint64_t outage_usec;  /* how long the handler has not been reached; 0: it is reached */
    const char *outage;    /* why, one line; borrowed until the next call of a function here */
    uint64_t visible_usec; /* boot clock: by then every message that ended undeleted can be received
                              again, if no other consumer has it */
};

struct inflight_status inflight_status(const struct inflight *inflight);

/* The counts since the start. Borrowed; the counters go on counting. */
const struct consumer_counts *inflight_counts(const struct inflight *inflight);
