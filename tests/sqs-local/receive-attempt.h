/* SPDX-License-Identifier: MIT */
/* ReceiveRequestAttemptId (Amazon SQS API Reference, "ReceiveMessage"): the messages that a FIFO
 * queue returned to a receive with an id. If the reply is lost, another receive with the same id
 * returns the same messages with the same handles. An attempt is kept for five minutes. It is void
 * once one of its messages was deleted or had its visibility changed. */
#pragma once

#include "util/hash-table.h"
#include "util/list.h"

#define RECEIVE_ATTEMPT_USEC (300 * USEC_PER_SEC)

enum { RECEIVE_MAX_MESSAGES = 10, RECEIVE_ATTEMPT_ID_MAX_BYTES = 128 };

struct receive_attempts {
    struct hash_table ids;
    struct list by_age;
};

struct receive_attempt {
    struct hash_entry entry;
    struct list by_age;
    uint64_t made_usec;
    bool is_void;
    size_t n_messages;
    struct {
        uint64_t serial;
        uint32_t generation;
    } messages[RECEIVE_MAX_MESSAGES]; /* in the order of the reply */
    char id[RECEIVE_ATTEMPT_ID_MAX_BYTES + 1];
};

void receive_attempts_init(struct receive_attempts *attempts);
void receive_attempts_done(struct receive_attempts *attempts);

/* Removes attempts that are too old, then finds the attempt; NULL if there is none. It belongs to
 * `attempts`, and is valid until the next call that takes a time. */
struct receive_attempt *receive_attempts_find(struct receive_attempts *attempts, const char *id,
                                              uint64_t now_usec);

/* Makes an attempt, still without messages. `id` must not exist yet, and is at most
 * RECEIVE_ATTEMPT_ID_MAX_BYTES long. Returns 0 or -ENOMEM. */
int receive_attempts_add(struct receive_attempts *attempts, const char *id, uint64_t now_usec,
                         struct receive_attempt **ret);

void receive_attempts_remove(struct receive_attempts *attempts, struct receive_attempt *attempt);

/* Call this when a message was deleted or changed by its handle. It makes the attempt that returned
 * the message void. `id` is that attempt's; the attempt may already be forgotten. */
void receive_attempts_void(struct receive_attempts *attempts, const char *id, uint64_t serial);
