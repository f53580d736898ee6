/* SPDX-License-Identifier: MIT */
/* The queues of the one account that the server plays, by name. */
#pragma once

#include "queue.h"

#define ACCOUNT_ID "000000000000"
#define ACCOUNT_DELETED_USEC (60 * USEC_PER_SEC) /* how long a deleted queue's name stays taken */

struct account {
    struct hash_table by_name;
    struct list queues;  /* in the order of their making */
    struct list deleted; /* names, the oldest first */
    uint64_t n_made;
    struct queue_slack slack; /* of each queue that is made; its chance is made from the seed */
    uint64_t seed;
};

void account_init(struct account *account);
void account_done(struct account *account);

/* The queue of that name, or NULL. */
struct queue *account_find(const struct account *account, const char *name);

/* The queue that another's RedrivePolicy names, or NULL. */
struct queue *account_dead_letters(const struct account *account, const struct queue *queue);

/* Makes a queue; the name is not taken. Takes the settings over. 0, -ENOMEM, or
 * ACCOUNT_E_DELETED_RECENTLY. */
enum { ACCOUNT_E_DELETED_RECENTLY = 1 };
int account_add(struct account *account, const char *name, struct queue_settings *settings,
                uint64_t now_usec, struct queue **ret);

/* Takes a queue out, and remembers its name for a minute; the caller frees it. 0 or -ENOMEM: then
 * it is still there. */
int account_remove(struct account *account, struct queue *queue, uint64_t now_usec);

/* "name.fifo" or "name" of 1 to 80 in all, of letters, digits, "-" and "_". */
bool queue_name_is_valid(const char *name, bool is_fifo);
bool queue_name_is_fifo(const char *name);
