/* SPDX-License-Identifier: MIT */
/* There are at least as many buckets as entries; growth moves all entries at once. */
#include "util/hash-table.h"

#include <errno.h>

enum { FIRST_BUCKETS = 64 };

/* FNV-1a of Fowler, Noll and Vo, with its parameters for 64 bits (draft-eastlake-fnv). */
static uint64_t hash_bytes(const void *key, size_t size)
{
    const unsigned char *p = key;
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * UINT64_C(1099511628211);
    /* The low bits choose the bucket. They must differ even if only the keys' last bytes do. */
    return hash ^ hash >> 32;
}

int hash_table_reserve(struct hash_table *table, size_t n_entries)
{
    size_t n = MAX(table->n_buckets, (size_t)FIRST_BUCKETS);
    struct hash_entry **buckets;

    while (n < n_entries)
        n *= 2;
    if (n == table->n_buckets)
        return 0;
    buckets = calloc(n, sizeof(struct hash_entry *));
    if (!buckets)
        return -ENOMEM;
    for (size_t i = 0; i < table->n_buckets; i++) {
        struct hash_entry *entry = table->buckets[i];

        while (entry) {
            struct hash_entry *next = entry->next, **bucket = &buckets[entry->hash & (n - 1)];

            entry->next = *bucket;
            *bucket = entry;
            entry = next;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->n_buckets = n;
    return 0;
}

int hash_table_insert(struct hash_table *table, struct hash_entry *entry, const void *key,
                      size_t key_bytes)
{
    struct hash_entry **bucket;
    int r = hash_table_reserve(table, table->n_entries + 1);

    if (r < 0)
        return r;
    entry->key = key;
    entry->key_bytes = key_bytes;
    entry->hash = hash_bytes(key, key_bytes);
    bucket = &table->buckets[entry->hash & (table->n_buckets - 1)];
    entry->next = *bucket;
    *bucket = entry;
    table->n_entries++;
    return 0;
}

struct hash_entry *hash_table_find(const struct hash_table *table, const void *key,
                                   size_t key_bytes)
{
    uint64_t hash = hash_bytes(key, key_bytes);

    if (table->n_buckets == 0)
        return NULL;
    for (struct hash_entry *e = table->buckets[hash & (table->n_buckets - 1)]; e; e = e->next)
        if (e->hash == hash && e->key_bytes == key_bytes && memcmp(e->key, key, key_bytes) == 0)
            return e;
    return NULL;
}

void hash_table_remove(struct hash_table *table, struct hash_entry *entry)
{
    struct hash_entry **p = &table->buckets[entry->hash & (table->n_buckets - 1)];

    while (*p != entry)
        p = &(*p)->next;
    *p = entry->next;
    entry->next = NULL;
    table->n_entries--;
}

void hash_table_done(struct hash_table *table)
{
    free(table->buckets);
    *table = (struct hash_table){};
}
