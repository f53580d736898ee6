/* SPDX-License-Identifier: MIT */
/* Answers one submitted line: a message is validated and added to the store, a command is run, and
 * anything else is answered with an error. */
#pragma once

#include "producerd/intake/series.h"
#include "producerd/intake/submission.h"
#include "producerd/spool/message-store.h"
#include "util/uuid.h"

/* A plain value; `uuids` starts as all zeros. */
struct protocol {
    struct message_store *store; /* borrowed */
    struct submission_rules rules;
    struct uuid_maker uuids;
    /* Called when a message is larger than rules.max_bytes, though SQS's maximum allows it. Returns
     * true when rules.max_bytes will be read from the queue again. NULL: it is final. */
    bool (*refresh_size)(void *userdata);
    void *userdata;
    bool is_stopping;             /* refresh_size is not called any more */
    uint64_t n_messages;          /* added to the store; the owner subtracts those not committed */
    bool is_full;                 /* the store refused the last message: STORE_E_FULL */
    struct store_dropped dropped; /* by the last line; n is 0: none */
};

/* Answers a line (without its newline) by appending a reply (with its newline) to `reply`. A reply
 * that says ok is valid only after the store has committed. Commands need `may_command`, except one that
 * begins a series. `series` is that of the connection; NULL: there can be none. Returns 0;
 * PROTOCOL_E_WAIT when there is no answer before rules.max_bytes is read again; or -ENOMEM or
 * -E2BIG, which stay in the buffer: then there is no answer. */
enum { PROTOCOL_E_WAIT = 1 };
int protocol_answer(struct protocol *protocol, const char *line, size_t size, bool may_command,
                    struct series *series, struct buffer *reply);
