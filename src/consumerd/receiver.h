/* SPDX-License-Identifier: MIT */
/* Receives: several long polls side by side, never for more than there is room for.
 *
 * On a FIFO queue each receive has a ReceiveRequestAttemptId (Amazon SQS API Reference,
 * "ReceiveMessage"), kept as long as the outcome of one of its attempts is not known, so that
 * messages whose reply was lost come at once and not only when their visibility timeout has ended.
 */
#pragma once

#include "daemon/queue.h"

struct receiver;

enum {
    RECEIVER_POLLS_MAX = 32,
};

/* SQS's bound on what an attempt id is good for. */
#define RECEIVER_ATTEMPT_MAX_USEC (300 * USEC_PER_SEC)
/* What a poll may need beyond its wait. */
#define RECEIVER_POLL_MARGIN_USEC (2 * USEC_PER_SEC)
/* How long to wait after a receive that SQS has answered with "no". */
#define RECEIVER_REFUSED_PAUSE_USEC (5 * USEC_PER_SEC)

struct receiver_options {
    bool is_fifo;
    unsigned polls;        /* at most at once, 1 to RECEIVER_POLLS_MAX */
    unsigned max_messages; /* of a poll; fewer after one has stalled (util/adaptive-limit.h) */
    unsigned wait_sec;
    unsigned visibility_sec; /* more than 0 */
    uint64_t pause_usec;     /* after a poll, and after there was no room */
};

/* A poll has ended, and no longer counts; failures have been logged. The result is as of
 * sqs_done_fn. Never runs from inside the receiver's functions. */
typedef void (*receiver_done_fn)(void *userdata, const struct sqs_result *result);

/* The room beside the messages in hand and those that polls under way may bring. */
struct receiver_capacity {
    size_t free_slots;   /* messages that could be begun at once; no poll where this is 0 */
    size_t messages;     /* messages that may be in hand beside them */
    uint64_t since_usec; /* when there was none for the last time; 0: there always was */
};

/* No poll before `start_usec`. 0 or -ENOMEM. */
int receiver_new(struct queue *queue, const struct receiver_options *options, uint64_t start_usec,
                 receiver_done_fn done, void *userdata, struct receiver **ret);
struct receiver *receiver_free(struct receiver *receiver);
DEFINE_CLEANUP(struct receiver *, receiver_free)

/* Begins the polls that there is room and time for: one as soon as there is any room, further ones
 * only if they may bring as much as a poll can, and only as many as poll-limit.h allows. After
 * receiver_stop: asks again where a poll does not end in its time. `*ret_next_usec`:
 * when it is time for the next, if the room stays the same; USEC_INFINITY: not before a poll ends.
 * 0, or a negative errno: a poll could not be begun, and nothing is lost by calling again later. */
int receiver_dispatch(struct receiver *receiver, const struct receiver_capacity *capacity,
                      uint64_t now_usec, uint64_t *ret_next_usec);

/* For polls from now on; those under way keep theirs. */
void receiver_set_times(struct receiver *receiver, unsigned wait_sec, unsigned visibility_sec);

/* Inside receiver_done_fn: for how long what that poll has brought is hidden from others. */
unsigned receiver_lease_sec(const struct receiver *receiver);

/* Polls under way, and how many messages they may bring. */
size_t receiver_polls(const struct receiver *receiver);
size_t receiver_reserved(const struct receiver *receiver);

/* No further polls. Those under way are let end, because SQS may be giving them messages. Where one
 * has not ended near `deadline_usec`, where a reply was lost, and where none has come in a poll's
 * wait and RECEIVER_POLL_MARGIN_USEC, a FIFO queue is asked once more with the same attempt id and
 * without a wait: until `deadline_usec` as often as it takes, whatever it answers but that the id
 * is void. */
void receiver_stop(struct receiver *receiver, uint64_t now_usec, uint64_t deadline_usec);

/* How many messages, at most, the queue may have given to polls that ended without their reply
 * since receiver_stop: they come back when their visibility timeout ends. */
size_t receiver_abandoned(const struct receiver *receiver);

/* By then all that was given to polls whose reply was lost can be received again. */
uint64_t receiver_visible_usec(const struct receiver *receiver);
