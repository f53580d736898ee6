/* SPDX-License-Identifier: MIT */
/* Entries are in a table by id and in a list by age. Each call first removes the entries that are
 * too old from the front of the list. */
#include "deduplication.h"

#include <errno.h>
#include <stdio.h>

void deduplication_init(struct deduplication *d)
{
    *d = (struct deduplication){};
    list_init(&d->by_age);
}

static void remove_entry(struct deduplication *d, struct deduplication_entry *entry)
{
    hash_table_remove(&d->ids, &entry->entry);
    list_remove(&entry->by_age);
    free(entry);
}

void deduplication_done(struct deduplication *d)
{
    LIST_FOREACH(&d->by_age, member)
    remove_entry(d, CONTAINER_OF(member, struct deduplication_entry, by_age));
    hash_table_done(&d->ids);
}

static void forget_old(struct deduplication *d, uint64_t now_usec)
{
    LIST_FOREACH(&d->by_age, member)
    {
        struct deduplication_entry *e = CONTAINER_OF(member, struct deduplication_entry, by_age);

        if (now_usec < e->accepted_usec + DEDUPLICATION_USEC)
            break;
        remove_entry(d, e);
    }
}

enum { KEY_MAX_BYTES = 2 * 128 + 1 };

static size_t make_key(char key[KEY_MAX_BYTES + 1], const char *group_id, const char *id)
{
    int n = snprintf(key, KEY_MAX_BYTES + 1, "%s%c%s", group_id ? group_id : "", '\0', id);

    return MIN((size_t)n, (size_t)KEY_MAX_BYTES);
}

const struct deduplication_entry *deduplication_find(struct deduplication *d, const char *group_id,
                                                     const char *id, uint64_t now_usec)
{
    char key[KEY_MAX_BYTES + 1];
    struct hash_entry *found;

    forget_old(d, now_usec);
    found = hash_table_find(&d->ids, key, make_key(key, group_id, id));
    return found ? CONTAINER_OF(found, struct deduplication_entry, entry) : NULL;
}

int deduplication_add(struct deduplication *d, const char *group_id, const char *id,
                      const char *message_id, const char *sequence_number, uint64_t now_usec)
{
    char key[KEY_MAX_BYTES + 1];
    size_t key_bytes = make_key(key, group_id, id);
    struct deduplication_entry *e = calloc(1, sizeof(*e) + key_bytes);
    int r;

    if (!e)
        return -ENOMEM;
    memcpy(e->key, key, key_bytes);
    e->accepted_usec = now_usec;
    snprintf(e->message_id, sizeof(e->message_id), "%s", message_id);
    snprintf(e->sequence_number, sizeof(e->sequence_number), "%s", sequence_number);
    r = hash_table_insert(&d->ids, &e->entry, e->key, key_bytes);
    if (r < 0) {
        free(e);
        return r;
    }
    list_append(&d->by_age, &e->by_age);
    return 0;
}
