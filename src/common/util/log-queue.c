/* SPDX-License-Identifier: MIT */
#include "util/log-queue.h"

static struct log_entry *entry_of(struct list *link)
{
    return CONTAINER_OF(link, struct log_entry, link);
}

void log_queue_init(struct log_queue *queue, size_t bytes_max)
{
    *queue = (struct log_queue){.bytes_max = bytes_max};
    for (int p = 0; p < LOG_PRIORITIES; p++)
        list_init(&queue->by_priority[p]);
}

static void count(struct log_queue *queue, const struct log_entry *entry, size_t bytes)
{
    if (entry->carries_message)
        return;
    queue->bytes += bytes;
    queue->bytes_of[entry->priority] += bytes;
}

static void unlink_entry(struct log_queue *queue, struct log_entry *entry)
{
    list_remove(&entry->link);
    queue->n--;
    count(queue, entry, -log_entry_bytes(entry));
}

static void drop(struct log_queue *queue, struct log_entry *entry)
{
    queue->n_dropped++;
    queue->n_dropped_in_all++;
    log_entry_free(entry);
}

/* The newest entry in the list that may be dropped, or NULL. */
static struct log_entry *newest_droppable(const struct list *list)
{
    for (struct list *link = list->previous; link != list; link = link->previous)
        if (!entry_of(link)->carries_message)
            return entry_of(link);
    return NULL;
}

/* False: dropping all less important entries would not free enough memory. */
static bool could_make_room(const struct log_queue *queue, const struct log_entry *entry)
{
    size_t left = queue->bytes + log_entry_bytes(entry);

    for (int p = LOG_DEBUG; p > entry->priority; p--)
        left -= queue->bytes_of[p];
    return left <= queue->bytes_max;
}

static void make_room(struct log_queue *queue, const struct log_entry *entry)
{
    int p = LOG_DEBUG;

    while (queue->bytes + log_entry_bytes(entry) > queue->bytes_max && p > entry->priority) {
        struct log_entry *victim = newest_droppable(&queue->by_priority[p]);

        if (victim) {
            unlink_entry(queue, victim);
            drop(queue, victim);
        } else {
            p--;
        }
    }
}

void log_queue_add(struct log_queue *queue, struct log_entry *entry)
{
    if (!entry->carries_message && queue->bytes + log_entry_bytes(entry) > queue->bytes_max) {
        if (!could_make_room(queue, entry)) {
            drop(queue, entry);
            return;
        }
        make_room(queue, entry);
    }
    entry->number = queue->next_number++;
    list_append(&queue->by_priority[entry->priority], &entry->link);
    queue->n++;
    count(queue, entry, log_entry_bytes(entry));
}

struct log_entry *log_queue_take(struct log_queue *queue)
{
    struct log_entry *first = NULL;

    for (int p = 0; p < LOG_PRIORITIES; p++) {
        struct list *link = list_first(&queue->by_priority[p]);

        if (link && (!first || entry_of(link)->number < first->number))
            first = entry_of(link);
    }
    if (first)
        unlink_entry(queue, first);
    return first;
}

void log_queue_done(struct log_queue *queue)
{
    struct log_entry *entry;

    while ((entry = log_queue_take(queue)))
        log_entry_free(entry);
}
