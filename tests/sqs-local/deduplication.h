/* SPDX-License-Identifier: MIT */
/* The deduplication ids that a FIFO queue remembers. An id is remembered for five minutes after its
 * message was accepted, even if that message is deleted earlier. */
#pragma once

#include "util/hash-table.h"
#include "util/list.h"

#define DEDUPLICATION_USEC (300 * USEC_PER_SEC)

enum {
    MESSAGE_ID_SIZE = 37,      /* a UUID and NUL */
    SEQUENCE_NUMBER_SIZE = 21, /* 20 digits (more than fit 64 bits) and NUL */
};

struct deduplication {
    struct hash_table ids;
    struct list by_age; /* the oldest first */
};

/* The first message that was accepted with an id. */
struct deduplication_entry {
    struct hash_entry entry;
    struct list by_age;
    uint64_t accepted_usec;
    char message_id[MESSAGE_ID_SIZE];
    char sequence_number[SEQUENCE_NUMBER_SIZE];
    char key[]; /* the group id, if the scope is the group; NUL; the id */
};

void deduplication_init(struct deduplication *d);
void deduplication_done(struct deduplication *d);

/* Returns the entry for the id if it was accepted within the last five minutes, else NULL.
 * `group_id` is NULL if the scope is the whole queue. The entry belongs to `d` and is valid until
 * the next call. */
const struct deduplication_entry *deduplication_find(struct deduplication *d, const char *group_id,
                                                     const char *id, uint64_t now_usec);

/* Remembers an id. deduplication_find must not find it already. Returns 0 or -ENOMEM. */
int deduplication_add(struct deduplication *d, const char *group_id, const char *id,
                      const char *message_id, const char *sequence_number, uint64_t now_usec);
