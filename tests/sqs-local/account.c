/* SPDX-License-Identifier: MIT */
#include "account.h"

#include <errno.h>
#include <stdio.h>

#include "queue-arn.h"

/* The random streams of the queues begin at this number. */
enum { QUEUE_STREAM = 2000 };

struct deleted_name {
    struct list by_age;
    uint64_t deleted_usec;
    char name[QUEUE_NAME_MAX_BYTES + 1];
};

void account_init(struct account *account)
{
    *account = (struct account){};
    list_init(&account->queues);
    list_init(&account->deleted);
}

void account_done(struct account *account)
{
    LIST_FOREACH(&account->queues, member)
    queue_free(CONTAINER_OF(member, struct queue, of_account));
    LIST_FOREACH(&account->deleted, member)
    free(CONTAINER_OF(member, struct deleted_name, by_age));
    hash_table_done(&account->by_name);
    account_init(account);
}

struct queue *account_find(const struct account *account, const char *name)
{
    struct hash_entry *found = hash_table_find(&account->by_name, name, strlen(name));

    return found ? CONTAINER_OF(found, struct queue, by_name) : NULL;
}

struct queue *account_dead_letters(const struct account *account, const struct queue *queue)
{
    const char *arn = queue->settings.dead_letter_arn;
    struct queue_arn parts;

    return arn && queue_arn_parse(arn, &parts) == 0 ? account_find(account, parts.name) : NULL;
}

static bool is_deleted_recently(struct account *account, const char *name, uint64_t now_usec)
{
    bool found = false;

    LIST_FOREACH(&account->deleted, member)
    {
        struct deleted_name *d = CONTAINER_OF(member, struct deleted_name, by_age);

        if (d->deleted_usec + ACCOUNT_DELETED_USEC <= now_usec) {
            list_remove(&d->by_age);
            free(d);
        } else {
            found = found || streq(d->name, name);
        }
    }
    return found;
}

int account_add(struct account *account, const char *name, struct queue_settings *settings,
                uint64_t now_usec, struct queue **ret)
{
    struct queue *queue = NULL;
    int r;

    if (is_deleted_recently(account, name, now_usec))
        return ACCOUNT_E_DELETED_RECENTLY;
    /* The id contains the time, so that receipt handles from before a restart of the server are
     * invalid. */
    r = queue_new(name, (now_usec << 8) + ++account->n_made, settings, now_usec, &queue);
    if (r < 0)
        return r;
    queue->slack = account->slack;
    queue->slack.chance = chance_of(account->seed, QUEUE_STREAM + account->n_made);
    r = hash_table_insert(&account->by_name, &queue->by_name, queue->name, strlen(queue->name));
    if (r < 0) {
        queue_free(queue);
        return r;
    }
    list_append(&account->queues, &queue->of_account);
    *ret = queue;
    return 0;
}

int account_remove(struct account *account, struct queue *queue, uint64_t now_usec)
{
    struct deleted_name *d = calloc(1, sizeof(*d));

    if (!d)
        return -ENOMEM;
    snprintf(d->name, sizeof(d->name), "%s", queue->name);
    d->deleted_usec = now_usec;
    list_append(&account->deleted, &d->by_age);
    hash_table_remove(&account->by_name, &queue->by_name);
    list_remove(&queue->of_account);
    return 0;
}

bool queue_name_is_fifo(const char *name)
{
    size_t n = strlen(name);

    return n >= strlen(".fifo") && streq(name + n - strlen(".fifo"), ".fifo");
}

bool queue_name_is_valid(const char *name, bool is_fifo)
{
    size_t n = strlen(name), stem = is_fifo ? strlen(".fifo") : 0;

    if (n <= stem || n > QUEUE_NAME_MAX_BYTES || queue_name_is_fifo(name) != is_fifo)
        return false;
    for (size_t i = 0; i < n - stem; i++)
        if (!((name[i] >= 'A' && name[i] <= 'Z') || (name[i] >= 'a' && name[i] <= 'z') ||
              (name[i] >= '0' && name[i] <= '9') || name[i] == '-' || name[i] == '_'))
            return false;
    return true;
}
