/* SPDX-License-Identifier: MIT */
/* Between hand and ledger: what was handled waits here until the ledger has it, all of a turn in
 * one sync. Tells in the log what the ledger makes of it; a trouble at once, then once a minute.
 *
 * SQS may bring a message again that it has deleted (Amazon SQS Developer Guide, "At-least-once
 * delivery"). So the ledger keeps it for IDEMPOTENCY_DELETED_KEPT_USEC more, as long as this takes no place of
 * one that is not deleted; of IDEMPOTENCY_DELETED_KEPT_MAX at most. */
#pragma once

#include "consumerd/ledger.h"
#include "consumerd/message.h"
#include "util/log-rate-limit.h"

#define IDEMPOTENCY_DELETED_KEPT_USEC (300 * USEC_PER_SEC)
enum { IDEMPOTENCY_DELETED_KEPT_MAX = 10000 };

struct deleted_id;

struct idempotency {
    struct ledger *ledger; /* NULL: none, then nothing here does anything */
    struct list waiting;   /* the earliest handled first */
    size_t n_waiting;
    bool is_told; /* a line was written of a trouble that has not ended */
    struct log_rate_limit trouble_limit, crowded_limit;
    uint64_t n_crowded_out;  /* as told */
    struct deleted_id *kept; /* deleted ones, a ring; NULL: none yet, or no memory */
    size_t first_kept, n_kept;
};

/* The ledger is borrowed. */
void idempotency_init(struct idempotency *idempotency, struct ledger *ledger);

/* Takes out of the ledger what SQS has deleted; messages may still be here. */
void idempotency_done(struct idempotency *idempotency);

/* Whether a message was handled at an earlier receipt; then a line says so. */
bool idempotency_was_handled(struct idempotency *idempotency, const struct message *message);

/* Takes a message, borrowed, that has just been handled. Its id is in the ledger from the next
 * idempotency_commit on, whether or not the message still is here by then. False: there is no ledger,
 * and nothing to wait for. */
bool idempotency_add(struct idempotency *idempotency, struct message *message);

/* A message is no longer to be deleted by us. One that is not here is left alone. */
void idempotency_remove(struct idempotency *idempotency, struct message *message);

/* SQS has deleted the message: the ledger needs it no longer than said above. */
void idempotency_forget(struct idempotency *idempotency, const struct message *message);

/* Writes all that was added and forgotten; blocks for a sync if anything was added. After that
 * idempotency_take_recorded yields the messages, whatever came of the writing. */
void idempotency_commit(struct idempotency *idempotency);
struct message *idempotency_take_recorded(struct idempotency *idempotency); /* NULL: no more */
