/* SPDX-License-Identifier: MIT */
/* What the daemon answers to a line that was handed in: it is admitted into the store, or told why
 * not, or it is a command. */
#pragma once

#include "producerd/intake/submission.h"
#include "producerd/spool/message-store.h"
#include "util/uuid.h"

/* A plain value; `uuids` all zero to begin with. */
struct protocol {
    struct message_store *store; /* borrowed */
    struct submission_rules rules;
    struct uuid_maker uuids;
    /* A message is larger than rules.max_bytes, though SQS takes such. True: rules.max_bytes will
     * be looked up anew. NULL: it cannot be. */
    bool (*refresh_size)(void *userdata);
    void *userdata;
    bool is_stopping; /* nothing is looked up any more */
    uint64_t
        n_messages; /* that the store has taken up; its user subtracts what was not committed */
    bool is_full;   /* the store refused the last message for its bounds */
};

/* Answers a line, without its newline, by appending one to `reply`, with its newline. An answer
 * that says ok holds only once the store has committed. Commands are answered with what they ask
 * for only where the submitter `may_command`. 0; PROTOCOL_E_WAIT: there is no answer before
 * rules.max_bytes was looked up; or -ENOMEM or -E2BIG, which stick to the buffer: then there is no
 * answer. */
enum { PROTOCOL_E_WAIT = 1 };
int protocol_answer(struct protocol *protocol, const char *line, size_t size, bool may_command,
                    struct buffer *reply);
