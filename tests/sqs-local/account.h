/* SPDX-License-Identifier: MIT */
/* The queues, by name, of the one account that the server has. */
#pragma once

#include "queue.h"

#define ACCOUNT_ID "000000000000"
#define ACCOUNT_DELETED_USEC (60 * USEC_PER_SEC) /* how long a deleted queue's name stays taken */

struct account {
    struct hash_table by_name;
    struct list queues;  /* in the order of creation */
    struct list deleted; /* their names, the oldest first */
    uint64_t n_made;
    struct queue_slack slack; /* for each new queue; `chance` is derived from the seed */
    uint64_t seed;
};

void account_init(struct account *account);
void account_done(struct account *account);

/* The queue of that name, or NULL. */
struct queue *account_find(const struct account *account, const char *name);

/* The dead-letter queue that a queue's RedrivePolicy names, or NULL. */
struct queue *account_dead_letters(const struct account *account, const struct queue *queue);

/* Makes a queue. The name must not be taken. Takes over the settings. Returns 0, -ENOMEM, or
 * ACCOUNT_E_DELETED_RECENTLY. */
enum { ACCOUNT_E_DELETED_RECENTLY = 1 };
int account_add(struct account *account, const char *name, struct queue_settings *settings,
                uint64_t now_usec, struct queue **ret);

/* Removes a queue from the account, and remembers its name for a minute. The caller frees the
 * queue. Returns 0, or -ENOMEM: the queue is then still in the account. */
int account_remove(struct account *account, struct queue *queue, uint64_t now_usec);

/* A name is 1 to 80 letters, digits, "-" and "_". The name of a FIFO queue ends with ".fifo", which
 * counts towards the 80. */
bool queue_name_is_valid(const char *name, bool is_fifo);
bool queue_name_is_fifo(const char *name);
