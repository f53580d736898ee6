/* SPDX-License-Identifier: MIT */
/* A chained hash table over keys of bytes. Entries are members of the objects that they find; the
 * table owns its buckets alone, and keys stay where the objects keep them.
 *
 * The hash (FNV-1a) has no secret: whoever chooses the keys may choose them to collide. So the
 * number of entries must be bounded by one that can be searched from end to end. */
#pragma once

#include "util/macro.h"

struct hash_entry {
    struct hash_entry *next;
    const void *key; /* borrowed: must live and stay the same while the entry is in a table */
    size_t key_bytes;
    uint64_t hash;
};

struct hash_table { /* all zero: empty */
    struct hash_entry **buckets;
    size_t n_buckets; /* a power of two, or 0 while nothing was ever inserted */
    size_t n_entries;
};

/* Makes buckets for that many entries: until there are more, hash_table_insert does not fail. 0 or
 * -ENOMEM. */
int hash_table_reserve(struct hash_table *table, size_t n_entries);

/* Inserts an entry whose key is in no other entry of the table. 0 or -ENOMEM. */
int hash_table_insert(struct hash_table *table, struct hash_entry *entry, const void *key,
                      size_t key_bytes);

/* The entry with that key, or NULL. */
struct hash_entry *hash_table_find(const struct hash_table *table, const void *key,
                                   size_t key_bytes);

/* Removes an entry that is in the table. */
void hash_table_remove(struct hash_table *table, struct hash_entry *entry);

/* Frees the buckets; the entries are the caller's. The table may be used again. */
void hash_table_done(struct hash_table *table);
