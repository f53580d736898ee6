/* SPDX-License-Identifier: MIT */
/* Prevents that a message is handled twice. The messages in flight use the ledger through this
 * file.
 *
 * A handled message waits here until its id is in the ledger; one commit, with one sync of the
 * disk, is enough for all messages that wait. Problems with the ledger are logged here, at once and
 * then once a minute.
 *
 * SQS may deliver a message again that it has deleted (Amazon SQS Developer Guide, "At-least-once
 * delivery"). So an id stays in the ledger for IDEMPOTENCY_DELETED_KEPT_USEC after the delete. At
 * most IDEMPOTENCY_DELETED_KEPT_MAX such ids stay, and none of them makes the ledger forget the id
 * of a message that is not deleted. */
#pragma once

#include "consumerd/ledger.h"
#include "consumerd/message.h"
#include "util/log-rate-limit.h"

#define IDEMPOTENCY_DELETED_KEPT_USEC (300 * USEC_PER_SEC)
enum { IDEMPOTENCY_DELETED_KEPT_MAX = 10000 };

struct deleted_id;

struct idempotency {
    struct ledger *ledger; /* NULL: none; then no function here does anything */
    struct list waiting;   /* the earliest handled first */
    size_t n_waiting;
    bool is_failure_logged; /* a problem was logged, and has not ended */
    struct log_rate_limit failure_limit, crowded_limit;
    uint64_t n_crowded_out;     /* as logged last */
    struct deleted_id *deleted; /* a ring of ids; NULL: none yet, or no memory */
    size_t first_deleted, n_deleted;
};

/* The ledger is borrowed. */
void idempotency_init(struct idempotency *idempotency, struct ledger *ledger);

/* Removes the ids of deleted messages from the ledger. Messages may still be waiting. */
void idempotency_done(struct idempotency *idempotency);

/* Whether the ledger has the message's id: it was handled when it was received before. Logs
 * that. */
bool idempotency_was_handled(struct idempotency *idempotency, const struct message *message);

/* Adds a message, borrowed, that has just been handled. The next idempotency_commit writes its id
 * into the ledger, even if the message was removed before. False: there is no ledger to wait
 * for. */
bool idempotency_add(struct idempotency *idempotency, struct message *message);

/* Removes the message from those that wait. Does nothing if it does not wait. */
void idempotency_remove(struct idempotency *idempotency, struct message *message);

/* SQS has deleted the message: its id may leave the ledger in IDEMPOTENCY_DELETED_KEPT_USEC. */
void idempotency_note_deleted(struct idempotency *idempotency, const struct message *message);

/* Writes everything to the ledger. Blocks for a sync of the disk if a message was added. */
void idempotency_commit(struct idempotency *idempotency);

/* After idempotency_commit: removes and returns the messages that waited, one by one, whether or
 * not the ledger could be written. NULL: no more. */
struct message *idempotency_take_recorded(struct idempotency *idempotency);
