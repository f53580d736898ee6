/* SPDX-License-Identifier: MIT */
/* What a FIFO queue remembers of the deduplication ids of the last five minutes. An id is
 * remembered from when its message was accepted, whether or not that message has been deleted
 * since. */
#pragma once

#include "util/hash-table.h"
#include "util/list.h"

#define DEDUPLICATION_USEC (300 * USEC_PER_SEC)

enum {
    MESSAGE_ID_SIZE = 37,      /* a UUID and NUL */
    SEQUENCE_NUMBER_SIZE = 21, /* 20 digits, more than 64 bits hold, and NUL */
};

struct deduplication {
    struct hash_table ids;
    struct list by_age; /* the oldest first */
};

/* The first message that came with an id. */
struct deduplication_entry {
    struct hash_entry entry;
    struct list by_age;
    uint64_t accepted_usec;
    char message_id[MESSAGE_ID_SIZE];
    char sequence_number[SEQUENCE_NUMBER_SIZE];
    char key[]; /* the group where the scope is one, NUL, the id */
};

void deduplication_init(struct deduplication *d);
void deduplication_done(struct deduplication *d);

/* The entry for the id, if it came within the last five minutes; else NULL. `group_id` is NULL
 * where the scope is the whole queue. Owned by `d`, until the next call. */
const struct deduplication_entry *deduplication_find(struct deduplication *d, const char *group_id,
                                                     const char *id, uint64_t now_usec);

/* Remembers an id that deduplication_find does not find. 0 or -ENOMEM. */
int deduplication_add(struct deduplication *d, const char *group_id, const char *id,
                      const char *message_id, const char *sequence_number, uint64_t now_usec);
