/* SPDX-License-Identifier: MIT */
/* An attempt stores the numbers of its messages, and a message stores the id of its attempt.
 * Neither has a pointer to the other, so either may be freed first. */
#include "receive-attempt.h"

#include <errno.h>
#include <stdio.h>

void receive_attempts_init(struct receive_attempts *attempts)
{
    *attempts = (struct receive_attempts){};
    list_init(&attempts->by_age);
}

void receive_attempts_done(struct receive_attempts *attempts)
{
    LIST_FOREACH(&attempts->by_age, member)
    receive_attempts_remove(attempts, CONTAINER_OF(member, struct receive_attempt, by_age));
    hash_table_done(&attempts->ids);
}

static struct receive_attempt *find(struct receive_attempts *attempts, const char *id)
{
    struct hash_entry *found = hash_table_find(&attempts->ids, id, strlen(id));

    return found ? CONTAINER_OF(found, struct receive_attempt, entry) : NULL;
}

struct receive_attempt *receive_attempts_find(struct receive_attempts *attempts, const char *id,
                                              uint64_t now_usec)
{
    LIST_FOREACH(&attempts->by_age, member)
    {
        struct receive_attempt *a = CONTAINER_OF(member, struct receive_attempt, by_age);

        if (now_usec < a->made_usec + RECEIVE_ATTEMPT_USEC)
            break;
        receive_attempts_remove(attempts, a);
    }
    return find(attempts, id);
}

int receive_attempts_add(struct receive_attempts *attempts, const char *id, uint64_t now_usec,
                         struct receive_attempt **ret)
{
    struct receive_attempt *a = calloc(1, sizeof(*a));
    int r;

    if (!a)
        return -ENOMEM;
    a->made_usec = now_usec;
    snprintf(a->id, sizeof(a->id), "%s", id);
    r = hash_table_insert(&attempts->ids, &a->entry, a->id, strlen(a->id));
    if (r < 0) {
        free(a);
        return r;
    }
    list_append(&attempts->by_age, &a->by_age);
    *ret = a;
    return 0;
}

void receive_attempts_remove(struct receive_attempts *attempts, struct receive_attempt *attempt)
{
    hash_table_remove(&attempts->ids, &attempt->entry);
    list_remove(&attempt->by_age);
    free(attempt);
}

void receive_attempts_void(struct receive_attempts *attempts, const char *id, uint64_t serial)
{
    struct receive_attempt *a = find(attempts, id);

    for (size_t i = 0; a && i < a->n_messages; i++)
        if (a->messages[i].serial == serial)
            a->is_void = true;
}
