/* SPDX-License-Identifier: MIT */
/* A hash table with chains. Keys are byte strings. Each object in the table has its entry as a
 * member. The table owns only its buckets, not the entries and the keys.
 *
 * The hash (FNV-1a) has no secret, so keys can be chosen that all collide. Finding a key is then a
 * search through all entries. So the number of entries must be bounded, low enough for that. */
#pragma once

#include "util/macro.h"

struct hash_entry {
    struct hash_entry *next;
    const void *key; /* borrowed; must stay valid and unchanged while the entry is in a table */
    size_t key_bytes;
    uint64_t hash;
};

struct hash_table { /* all zero: empty */
    struct hash_entry **buckets;
    size_t n_buckets; /* a power of two; 0 before the first insertion or reservation */
    size_t n_entries;
};

/* Allocates buckets for that many entries. hash_table_insert does not fail until there are more.
 * Returns 0 or -ENOMEM. */
int hash_table_reserve(struct hash_table *table, size_t n_entries);

/* Inserts an entry. Its key must not be in the table yet. Returns 0 or -ENOMEM. */
int hash_table_insert(struct hash_table *table, struct hash_entry *entry, const void *key,
                      size_t key_bytes);

/* The entry with that key, or NULL. */
struct hash_entry *hash_table_find(const struct hash_table *table, const void *key,
                                   size_t key_bytes);

/* Removes an entry, which must be in the table. */
void hash_table_remove(struct hash_table *table, struct hash_entry *entry);

/* Frees the buckets, not the entries. The table may be used again. */
void hash_table_done(struct hash_table *table);
