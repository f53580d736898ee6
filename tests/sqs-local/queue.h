/* SPDX-License-Identifier: MIT */
/* One SQS queue in memory, standard or FIFO: the states of its messages, without the protocol.
 *
 * Time is a parameter, `now_usec`: microseconds since the epoch, which must never go back. Each
 * call first applies what has become due by then. The caller must check what may be sent (sizes,
 * characters, and which parameters a type of queue allows). */
#pragma once

#include "chance.h"
#include "fifo-limit.h"
#include "message.h"
#include "queue-settings.h"
#include "receipt-handle.h"
#include "receive-attempt.h"
#include "tags.h"

enum {
    QUEUE_NAME_MAX_BYTES = 80,
    QUEUE_IN_FLIGHT_MAX = 120000,
};

/* Conditions. The caller chooses the wording of the error. */
enum {
    QUEUE_E_HANDLE_INVALID = 1, /* the handle is not from this queue */
    QUEUE_E_HANDLE_EXPIRED,     /* too late: the message may have been received again */
    QUEUE_E_NOT_AVAILABLE,      /* the message is deleted, or not in flight under this handle */
    QUEUE_E_TOTAL_TOO_LONG,     /* more than 12 hours from its receive */
    QUEUE_E_OVER_LIMIT,         /* standard: QUEUE_IN_FLIGHT_MAX messages are in flight */
    QUEUE_E_ATTEMPT_VOID,       /* a message of that receive attempt was deleted or changed */
};

struct queue_counts {
    size_t visible, in_flight, delayed;
};

/* Makes a queue behave in ways that SQS allows itself but rarely shows. All 0: never. */
struct queue_slack {
    /* Standard queues. The probability that a received message stays on the queue as a copy, as if
     * one host had missed the receive or a delete. The copy has the same message id, but a receipt
     * handle and a receive count of its own. A copy is not copied again. */
    double duplicates;
    /* Standard queues. The probability that a receive does not take the oldest message but one of
     * the QUEUE_DISORDER_SPAN messages after it. */
    double disorder;
    /* The counts are at least half of this time old, and at most all of it. */
    uint64_t stale_usec;
    struct chance chance;
    uint64_t n_duplicates, n_disordered; /* so far */
};

enum { QUEUE_DISORDER_SPAN = 100 };

struct queue {
    char name[QUEUE_NAME_MAX_BYTES + 1];
    struct queue_settings settings;
    uint64_t id; /* unique in an account; not used again after the queue is deleted */
    uint64_t created_usec, modified_usec, purged_usec; /* purged_usec 0: never */

    /* These are for the owner of the queue. The queue itself only initializes them and checks them
     * when it is freed. */
    struct hash_entry by_name;
    struct list of_account;
    struct list waiters; /* requests that wait for messages */
    struct list tags;    /* struct tag; freed with the queue */
    struct fifo_limit calls;
    struct queue_slack slack;

    /* The rest is private to the queue. */
    struct list messages;      /* all, the oldest first */
    struct hash_table serials; /* all, by serial */
    struct timer_heap due;     /* messages DELAYED and IN_FLIGHT */
    struct list ready;         /* standard: messages READY; FIFO: groups whose head is READY */
    struct hash_table groups;  /* FIFO: groups that have messages, by id */
    struct deduplication deduplication;
    struct receive_attempts attempts;
    uint64_t last_serial, sequence;
    size_t n_in_flight, n_delayed;
    uint64_t counted_period; /* counted[0] is from the start of this period */
    struct queue_counts counted[2];
};

/* Makes a queue. Takes over the settings. Returns 0, or -ENOMEM: the settings then still belong to
 * the caller. */
int queue_new(const char *name, uint64_t id, struct queue_settings *settings, uint64_t now_usec,
              struct queue **ret);
struct queue *queue_free(struct queue *queue); /* it must have no waiters */
DEFINE_CLEANUP(struct queue *, queue_free)

struct queue_sent {
    bool is_duplicate; /* accepted before: the ids are the first ones; nothing was stored */
    char message_id[MESSAGE_ID_SIZE];
    char sequence_number[SEQUENCE_NUMBER_SIZE];  /* "" on a standard queue */
    char deduplication_id[SQS_ID_MAX_BYTES + 1]; /* the given one, or the content's, or "" */
};

/* Accepts a message. On a FIFO queue it must have a group id and, unless the queue deduplicates by
 * content, a deduplication id. `delay_sec` of -1 means the queue's delay; on a FIFO queue it must
 * be -1. Returns 0 or -ENOMEM. */
int queue_send(struct queue *queue, const struct message_parts *parts, int delay_sec,
               uint64_t now_usec, struct queue_sent *ret);

struct queue_receive {
    unsigned max_messages;  /* 1 to RECEIVE_MAX_MESSAGES */
    int visibility_sec;     /* -1: the queue's */
    const char *attempt_id; /* FIFO only; NULL: none */
};

struct queue_delivery {
    const struct message *message; /* owned by the queue, valid until the next call on it */
    char handle[RECEIPT_HANDLE_SIZE];
};

/* Receives what may be received now, maybe nothing, into *ret_n elements of ret[]. Messages that
 * were received too often are moved to `dead_letters` instead, unless that is NULL. Returns 0,
 * -ENOMEM, QUEUE_E_OVER_LIMIT or QUEUE_E_ATTEMPT_VOID. */
int queue_receive(struct queue *queue, struct queue *dead_letters,
                  const struct queue_receive *receive, uint64_t now_usec,
                  struct queue_delivery ret[RECEIVE_MAX_MESSAGES], size_t *ret_n);

/* Makes a receive attempt id void, whether it was used before or not: later receives with it return
 * QUEUE_E_ATTEMPT_VOID. Returns 0 or -ENOMEM. */
int queue_void_attempt(struct queue *queue, const char *attempt_id, uint64_t now_usec);

/* Deletes a message. The caller frees *ret. *ret is NULL if the message is already gone or the
 * handle is not the newest; that is no error. Returns 0, QUEUE_E_HANDLE_INVALID or
 * QUEUE_E_HANDLE_EXPIRED. */
int queue_delete(struct queue *queue, const char *handle, uint64_t now_usec, struct message **ret);

/* Whether the handle is from this queue. */
bool queue_knows_handle(struct queue *queue, const char *handle);

/* Makes a message in flight visible again `visibility_sec` from now. Returns 0,
 * QUEUE_E_HANDLE_INVALID, QUEUE_E_HANDLE_EXPIRED (only FIFO; a standard queue does nothing then and
 * returns 0), QUEUE_E_NOT_AVAILABLE or QUEUE_E_TOTAL_TOO_LONG. */
int queue_change_visibility(struct queue *queue, const char *handle, unsigned visibility_sec,
                            uint64_t now_usec);

/* Removes all messages. Deduplication ids stay known. */
void queue_purge(struct queue *queue, uint64_t now_usec);

/* The counts that GetQueueAttributes returns. */
void queue_count(struct queue *queue, uint64_t now_usec, struct queue_counts *ret);

/* Whether a receive now would find a message to return or to move to the dead-letter queue. */
bool queue_is_receivable(struct queue *queue, uint64_t now_usec);

/* When queue_is_receivable may change without a call. USEC_INFINITY: never. */
uint64_t queue_next_usec(const struct queue *queue);
