/* SPDX-License-Identifier: MIT */
/* Receives messages by long polls, several side by side, never more than there is capacity for.
 *
 * On a FIFO queue each poll has a ReceiveRequestAttemptId (Amazon SQS API Reference,
 * "ReceiveMessage"). SQS answers a repeated id with the same messages. So the id is kept while the
 * outcome of one of its attempts is unknown: messages whose reply was lost then come at once, and
 * not only at the end of their visibility timeout. */
#pragma once

#include "daemon/queue.h"

struct receiver;

enum {
    RECEIVER_POLLS_MAX = 32,
};

/* SQS answers an attempt id with the same messages for this long. */
#define RECEIVER_ATTEMPT_MAX_USEC (300 * USEC_PER_SEC)
/* The time that a poll may take beyond its wait. */
#define RECEIVER_POLL_MARGIN_USEC (2 * USEC_PER_SEC)
/* The pause after a receive that SQS has refused. */
#define RECEIVER_REFUSED_PAUSE_USEC (5 * USEC_PER_SEC)

struct receiver_options {
    bool is_fifo;
    unsigned polls;        /* under way at once, at most: 1 to RECEIVER_POLLS_MAX */
    unsigned max_messages; /* of a poll; fewer after one has stalled (util/adaptive-limit.h) */
    unsigned wait_sec;
    unsigned visibility_sec; /* more than 0 */
    uint64_t pause_usec;     /* after a poll, and after there was no capacity */
};

/* A poll has ended, and no longer counts as under way. Failures have been logged. `result` is as
 * documented at sqs_done_fn. Never runs from inside the receiver's functions. */
typedef void (*receiver_done_fn)(void *userdata, const struct sqs_result *result);

/* How much may still be received. What polls under way may bring is already subtracted. */
struct receiver_capacity {
    size_t free_slots;   /* messages that could be begun at once; 0: no poll is started */
    size_t messages;     /* further messages that may be in flight */
    uint64_t since_usec; /* when capacity became free again; 0: there always was some */
};

/* No poll starts before `start_usec`. 0 or -ENOMEM. */
int receiver_new(struct queue *queue, const struct receiver_options *options, uint64_t start_usec,
                 receiver_done_fn done, void *userdata, struct receiver **ret);
struct receiver *receiver_free(struct receiver *receiver); /* cancels its polls; no callback runs */
DEFINE_CLEANUP(struct receiver *, receiver_free)

/* Starts polls. The first poll starts when there is any capacity. Further polls start only if there
 * is capacity for a full poll and poll-limit.h allows them. After receiver_stop it instead repeats
 * polls that do not end in time.
 *
 * Sets `*ret_next_usec` to the time of the next call if the capacity stays the same; USEC_INFINITY:
 * not before a poll ends. 0, or a negative errno when a poll could not be started; nothing is lost,
 * call it again later. */
int receiver_dispatch(struct receiver *receiver, const struct receiver_capacity *capacity,
                      uint64_t now_usec, uint64_t *ret_next_usec);

/* For polls from now on; polls under way keep their times. */
void receiver_set_times(struct receiver *receiver, unsigned wait_sec, unsigned visibility_sec);

/* Changes these three options. Polls under way keep theirs; when more are under way than `polls`,
 * no further one starts until enough have ended. Pauses that have begun get the new length. */
void receiver_reconfigure(struct receiver *receiver, unsigned polls, unsigned max_messages,
                          uint64_t pause_usec);

/* Inside receiver_done_fn: the visibility timeout that this poll has asked for. */
unsigned receiver_lease_sec(const struct receiver *receiver);

/* The number of polls under way, and how many messages they may bring. */
size_t receiver_polls(const struct receiver *receiver);
size_t receiver_reserved(const struct receiver *receiver);

/* Starts no further polls. Polls under way may end, because SQS may be giving them messages. On a
 * FIFO queue a poll is repeated, with the same attempt id and without a wait, in three cases: its
 * reply was lost; its reply has not come within its wait and RECEIVER_POLL_MARGIN_USEC; it has not
 * ended near `deadline_usec`. The repeat is tried until `deadline_usec`, or until SQS says that the
 * id is void. */
void receiver_stop(struct receiver *receiver, uint64_t now_usec, uint64_t deadline_usec);

/* How many messages, at most, SQS may have given to polls that ended without a reply since
 * receiver_stop. They become visible when their visibility timeout ends. */
size_t receiver_abandoned(const struct receiver *receiver);

/* Boot clock: by then all messages whose reply was lost are visible again. */
uint64_t receiver_visible_usec(const struct receiver *receiver);
