/* SPDX-License-Identifier: MIT */
/* One SQS queue in memory, standard or FIFO: what becomes of messages, without any of the protocol.
 *
 * Time is a parameter, `now_usec`: microseconds since the epoch, which must never go back. Each
 * call first does what has become due by then. Limits on what may be sent (sizes, characters, which
 * parameters go with which type) are the caller's to check. */
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

/* Conditions, for the caller to put into words. */
enum {
    QUEUE_E_HANDLE_INVALID = 1, /* no handle that this queue gave out */
    QUEUE_E_HANDLE_EXPIRED,     /* too late: the message may have been handed out again */
    QUEUE_E_NOT_AVAILABLE,      /* the message is deleted, or not in flight under this handle */
    QUEUE_E_TOTAL_TOO_LONG,     /* beyond 12 hours from its receive */
    QUEUE_E_OVER_LIMIT,         /* standard: QUEUE_IN_FLIGHT_MAX messages are in flight */
    QUEUE_E_ATTEMPT_VOID,       /* a message of that receive attempt was deleted or changed */
};

struct queue_counts {
    size_t visible, in_flight, delayed;
};

/* How far a queue goes in what SQS reserves to itself; all 0: nowhere. */
struct queue_slack {
    /* Standard queues. The probability that a message that is handed out stands on the queue once
     * more: on a host that hears nothing of the receive or of a delete. The copy has the same id, a
     * receipt handle and a receive count of its own, and no further copies. */
    double duplicates;
    /* Standard queues. The probability that not the oldest message is handed out, but one of the
     * QUEUE_DISORDER_SPAN after it. */
    double disorder;
    /* The counts tell what was so at least half of that ago, and at most all of it. */
    uint64_t stale_usec;
    struct chance chance;
    uint64_t n_duplicates, n_disordered; /* so far */
};

enum { QUEUE_DISORDER_SPAN = 100 };

struct queue {
    char name[QUEUE_NAME_MAX_BYTES + 1];
    struct queue_settings settings;
    uint64_t id; /* no two queues of an account have the same, not one after the other either */
    uint64_t created_usec, modified_usec, purged_usec; /* purged_usec 0: never */

    /* For the owner of the queue; the queue itself only makes and checks nothing of them. */
    struct hash_entry by_name;
    struct list of_account;
    struct list waiters; /* those who wait for messages */
    struct list tags;    /* struct tag; freed with the queue */
    struct fifo_limit calls;
    struct queue_slack slack;

    /* The rest is the queue's own. */
    struct list messages;      /* all, the oldest first */
    struct hash_table serials; /* all, by serial */
    struct timer_heap due;     /* those DELAYED and IN_FLIGHT */
    struct list ready;         /* standard: messages READY; FIFO: groups whose head is READY */
    struct hash_table groups;  /* FIFO: groups that have messages, by id */
    struct deduplication deduplication;
    struct receive_attempts attempts;
    uint64_t last_serial, sequence;
    size_t n_in_flight, n_delayed;
    uint64_t counted_period; /* in which the first of these was true at the beginning */
    struct queue_counts counted[2];
};

/* A queue takes over the settings. 0 or -ENOMEM, and then the settings are the caller's still. */
int queue_new(const char *name, uint64_t id, struct queue_settings *settings, uint64_t now_usec,
              struct queue **ret);
struct queue *queue_free(struct queue *queue); /* its waiters must have gone */
DEFINE_CLEANUP(struct queue *, queue_free)

struct queue_sent {
    bool is_duplicate; /* accepted before: the ids are those of then, and nothing was stored */
    char message_id[MESSAGE_ID_SIZE];
    char sequence_number[SEQUENCE_NUMBER_SIZE];  /* "" on a standard queue */
    char deduplication_id[SQS_ID_MAX_BYTES + 1]; /* the one given or the content's; or "" */
};

/* Accepts a message. On FIFO it has a group and, unless the queue deduplicates by content, a
 * deduplication id. `delay_sec` of -1 is the queue's; FIFO has only that. 0 or -ENOMEM. */
int queue_send(struct queue *queue, const struct message_parts *parts, int delay_sec,
               uint64_t now_usec, struct queue_sent *ret);

struct queue_receive {
    unsigned max_messages;  /* 1 to RECEIVE_MAX_MESSAGES */
    int visibility_sec;     /* -1: the queue's */
    const char *attempt_id; /* FIFO only; NULL: none */
};

struct queue_delivery {
    const struct message *message; /* the queue's, until the next call on it */
    char handle[RECEIPT_HANDLE_SIZE];
};

/* Hands out what may be received now, maybe nothing, in *ret_n of ret[]. Messages received too
 * often go to `dead_letters` instead, where that is not NULL. 0, -ENOMEM, QUEUE_E_OVER_LIMIT,
 * QUEUE_E_ATTEMPT_VOID. */
int queue_receive(struct queue *queue, struct queue *dead_letters,
                  const struct queue_receive *receive, uint64_t now_usec,
                  struct queue_delivery ret[RECEIVE_MAX_MESSAGES], size_t *ret_n);

/* Makes a receive attempt's id, used or not, one that QUEUE_E_ATTEMPT_VOID answers. 0 or -ENOMEM.
 */
int queue_void_attempt(struct queue *queue, const char *attempt_id, uint64_t now_usec);

/* Deletes a message; the caller frees *ret, which is NULL where there was nothing to delete any
 * more or the handle is not the newest (that is no error). 0, QUEUE_E_HANDLE_INVALID,
 * QUEUE_E_HANDLE_EXPIRED. */
int queue_delete(struct queue *queue, const char *handle, uint64_t now_usec, struct message **ret);

/* Whether the queue has given out that handle. */
bool queue_knows_handle(struct queue *queue, const char *handle);

/* Lets a message in flight be seen again after `visibility_sec` from now. 0,
 * QUEUE_E_HANDLE_INVALID, QUEUE_E_HANDLE_EXPIRED (FIFO alone: standard does nothing then),
 * QUEUE_E_NOT_AVAILABLE, QUEUE_E_TOTAL_TOO_LONG. */
int queue_change_visibility(struct queue *queue, const char *handle, unsigned visibility_sec,
                            uint64_t now_usec);

/* Drops all messages; deduplication ids stay known. */
void queue_purge(struct queue *queue, uint64_t now_usec);

/* What GetQueueAttributes tells of it. */
void queue_count(struct queue *queue, uint64_t now_usec, struct queue_counts *ret);

/* Whether a receive now would find anything to hand out or to move away. */
bool queue_is_receivable(struct queue *queue, uint64_t now_usec);

/* When that may change without a call; USEC_INFINITY: never. */
uint64_t queue_next_usec(const struct queue *queue);
