/* SPDX-License-Identifier: MIT */
/* ReceiveRequestAttemptId (Amazon SQS API Reference, "ReceiveMessage"): what a FIFO queue handed
 * out under an id, so that asking again with it, because the reply was lost, brings the same
 * messages under the same handles. Kept for five minutes; void once one of the messages was deleted
 * or had its visibility changed. */
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
    } messages[RECEIVE_MAX_MESSAGES]; /* in the order handed out */
    char id[RECEIVE_ATTEMPT_ID_MAX_BYTES + 1];
};

void receive_attempts_init(struct receive_attempts *attempts);
void receive_attempts_done(struct receive_attempts *attempts);

/* Forgets what is too old, then finds the attempt; NULL where there is none. Owned by `attempts`,
 * until the next call that takes a time. */
struct receive_attempt *receive_attempts_find(struct receive_attempts *attempts, const char *id,
                                              uint64_t now_usec);

/* Makes an attempt without messages yet. `id` is at most RECEIVE_ATTEMPT_ID_MAX_BYTES long and not
 * there yet. 0 or -ENOMEM. */
int receive_attempts_add(struct receive_attempts *attempts, const char *id, uint64_t now_usec,
                         struct receive_attempt **ret);

void receive_attempts_remove(struct receive_attempts *attempts, struct receive_attempt *attempt);

/* A message's handle was used to delete or change it: voids the attempt that had handed it out.
 * `id` is that attempt's; it may be forgotten already. */
void receive_attempts_void(struct receive_attempts *attempts, const char *id, uint64_t serial);
