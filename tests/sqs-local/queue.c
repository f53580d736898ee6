/* SPDX-License-Identifier: MIT */
/* This file keeps messages in order and says which of them may be received. queue-receive.c
 * receives and deletes them.
 *
 * A message is DELAYED, READY or IN_FLIGHT. DELAYED and IN_FLIGHT end at their time in the heap
 * `due`. A standard queue has a list of its READY messages. A FIFO queue has for each group the
 * list of all its messages in order, in any state, and a list of the groups whose first message is
 * READY. A receive takes messages of a group from the first one on, up to the first that is not
 * READY. So a message that is in flight or delayed holds back the messages behind it, and a message
 * that becomes visible again keeps its place. Nothing is found by a search: each step costs at most
 * O(log n), in the heap. */
#include "queue-internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include <openssl/evp.h>

#include "util/encode.h"

/* Sequence numbers have 20 digits and differ by 256, as SQS's do. They do not fit 64 bits. */
#define SEQUENCE_FORMAT "188%017llu"

enum { SEQUENCE_STEP = 256 };

int queue_new(const char *name, uint64_t id, struct queue_settings *settings, uint64_t now_usec,
              struct queue **ret)
{
    struct queue *queue = calloc(1, sizeof(*queue));

    if (!queue)
        return -ENOMEM;
    snprintf(queue->name, sizeof(queue->name), "%s", name);
    queue->id = id;
    queue->created_usec = queue->modified_usec = queue->sequence = now_usec;
    queue->settings = *settings;
    *settings = (struct queue_settings){};
    list_init(&queue->waiters);
    list_init(&queue->tags);
    list_init(&queue->messages);
    list_init(&queue->ready);
    deduplication_init(&queue->deduplication);
    receive_attempts_init(&queue->attempts);
    *ret = queue;
    return 0;
}

static void drop_all(struct queue *queue)
{
    LIST_FOREACH(&queue->messages, member)
    {
        struct message *message = CONTAINER_OF(member, struct message, of_queue);

        queue_take(queue, message);
        message_free(message);
    }
}

struct queue *queue_free(struct queue *queue)
{
    if (!queue)
        return NULL;
    assert(list_is_empty(&queue->waiters));
    drop_all(queue);
    hash_table_done(&queue->serials);
    hash_table_done(&queue->groups);
    timer_heap_done(&queue->due);
    deduplication_done(&queue->deduplication);
    receive_attempts_done(&queue->attempts);
    queue_settings_done(&queue->settings);
    tags_done(&queue->tags);
    free(queue);
    return NULL;
}

/* Adds the group to the ready list or removes it, by the state of its first message. Frees the
 * group if it has no messages. */
static void settle_group(struct queue *queue, struct group *group)
{
    struct list *head = group->messages.next;
    bool is_ready;

    if (list_is_empty(&group->messages)) {
        list_remove(&group->ready);
        hash_table_remove(&queue->groups, &group->entry);
        free(group);
        return;
    }
    is_ready = CONTAINER_OF(head, struct message, of_group)->state == MESSAGE_READY;
    if (is_ready && !list_is_linked(&group->ready))
        list_append(&queue->ready, &group->ready);
    else if (!is_ready)
        list_remove(&group->ready);
}

static void leave_state(struct queue *queue, struct message *message)
{
    if (message->state == MESSAGE_IN_FLIGHT)
        queue->n_in_flight--;
    else if (message->state == MESSAGE_DELAYED)
        queue->n_delayed--;
    else if (!message->group)
        list_remove(&message->of_group);
}

static void enter_state(struct queue *queue, struct message *message, enum message_state state)
{
    message->state = state;
    if (state == MESSAGE_IN_FLIGHT)
        queue->n_in_flight++;
    else if (state == MESSAGE_DELAYED)
        queue->n_delayed++;
    else if (!message->group)
        list_append(&queue->ready, &message->of_group);
    if (message->group)
        settle_group(queue, message->group);
}

int queue_set_state(struct queue *queue, struct message *message, enum message_state state,
                    uint64_t due_usec)
{
    if (state == MESSAGE_READY) {
        timer_heap_remove(&queue->due, &message->due);
    } else {
        int r = timer_heap_set(&queue->due, &message->due, due_usec);

        if (r < 0)
            return r;
    }
    if (state != MESSAGE_IN_FLIGHT)
        free(TAKE(message->attempt_id));
    leave_state(queue, message);
    enter_state(queue, message, state);
    return 0;
}

void queue_take(struct queue *queue, struct message *message)
{
    struct group *group = TAKE(message->group);

    timer_heap_remove(&queue->due, &message->due);
    hash_table_remove(&queue->serials, &message->entry);
    list_remove(&message->of_queue);
    list_remove(&message->of_group);
    if (message->state == MESSAGE_IN_FLIGHT)
        queue->n_in_flight--;
    else if (message->state == MESSAGE_DELAYED)
        queue->n_delayed--;
    if (group)
        settle_group(queue, group);
}

static int find_group(struct queue *queue, const char *id, struct group **ret)
{
    struct hash_entry *found = hash_table_find(&queue->groups, id, strlen(id));
    struct group *group;
    char *key;
    int r;

    if (found) {
        *ret = CONTAINER_OF(found, struct group, entry);
        return 0;
    }
    group = malloc(sizeof(*group) + strlen(id) + 1);
    if (!group)
        return -ENOMEM;
    *group = (struct group){};
    list_init(&group->messages);
    key = (char *)(group + 1);
    memcpy(key, id, strlen(id) + 1);
    r = hash_table_insert(&queue->groups, &group->entry, key, strlen(id));
    if (r < 0) {
        free(group);
        return r;
    }
    *ret = group;
    return 0;
}

int queue_put(struct queue *queue, struct message *message, enum message_state state,
              uint64_t due_usec)
{
    struct group *group = NULL;
    int r;

    if (queue->settings.is_fifo) {
        r = find_group(queue, message->group_id, &group);
        if (r < 0)
            return r;
    }
    message->serial = ++queue->last_serial;
    message->generation = 0;
    r = hash_table_insert(&queue->serials, &message->entry, &message->serial,
                          sizeof(message->serial));
    if (r == 0 && state != MESSAGE_READY) {
        r = timer_heap_set(&queue->due, &message->due, due_usec);
        if (r < 0)
            hash_table_remove(&queue->serials, &message->entry);
    }
    if (r < 0) {
        if (group)
            settle_group(queue, group);
        return r;
    }
    list_append(&queue->messages, &message->of_queue);
    message->group = group;
    if (group)
        list_append(&group->messages, &message->of_group);
    enter_state(queue, message, state);
    return 0;
}

struct message *queue_find(struct queue *queue, uint64_t serial)
{
    struct hash_entry *found = hash_table_find(&queue->serials, &serial, sizeof(serial));

    return found ? CONTAINER_OF(found, struct message, entry) : NULL;
}

void queue_next_sequence(struct queue *queue, char ret[SEQUENCE_NUMBER_SIZE])
{
    queue->sequence += SEQUENCE_STEP;
    snprintf(ret, SEQUENCE_NUMBER_SIZE, SEQUENCE_FORMAT,
             (unsigned long long)(queue->sequence % UINT64_C(100000000000000000)));
}

static struct queue_counts count_now(const struct queue *queue)
{
    return (struct queue_counts){
        .in_flight = queue->n_in_flight,
        .delayed = queue->n_delayed,
        .visible = queue->serials.n_entries - queue->n_in_flight - queue->n_delayed,
    };
}

/* Runs first in each call. In the first call of a period the counts are still as they were when the
 * period began, because only calls change them. It keeps them in counted[0], and those of the
 * period before in counted[1]. A period is half of the time by which the counts may be late. */
static void keep_counts(struct queue *queue, uint64_t now_usec)
{
    uint64_t period = now_usec / MAX(queue->slack.stale_usec / 2, UINT64_C(1));

    if (queue->slack.stale_usec == 0 || period == queue->counted_period)
        return;
    queue->counted[1] = queue->counted[0];
    queue->counted[0] = count_now(queue);
    if (period != queue->counted_period + 1)
        queue->counted[1] = queue->counted[0];
    queue->counted_period = period;
}

void queue_advance(struct queue *queue, uint64_t now_usec)
{
    uint64_t retention_usec = queue->settings.retention_sec * USEC_PER_SEC;
    struct timer *due;

    keep_counts(queue, now_usec);
    while ((due = timer_heap_due(&queue->due, now_usec)))
        queue_set_state(queue, CONTAINER_OF(due, struct message, due), MESSAGE_READY, 0);
    LIST_FOREACH(&queue->messages, member)
    {
        struct message *message = CONTAINER_OF(member, struct message, of_queue);

        if (message->sent_usec + retention_usec > now_usec)
            break;
        queue_take(queue, message);
        message_free(message);
    }
}

/* The deduplication id of a content: the SHA-256 of the body only. */
static int content_id(const struct message_parts *parts, char ret[2 * EVP_MAX_MD_SIZE + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;

    if (EVP_Digest(parts->body, parts->body_bytes, digest, &n, EVP_sha256(), NULL) != 1)
        return -ENOMEM;
    hex_encode(digest, n, ret);
    return 0;
}

static void tell_sent(const char message_id[MESSAGE_ID_SIZE],
                      const char sequence_number[SEQUENCE_NUMBER_SIZE],
                      const char *deduplication_id, struct queue_sent *ret)
{
    ret->is_duplicate = false;
    memcpy(ret->message_id, message_id, MESSAGE_ID_SIZE);
    memcpy(ret->sequence_number, sequence_number, SEQUENCE_NUMBER_SIZE);
    snprintf(ret->deduplication_id, sizeof(ret->deduplication_id), "%s",
             deduplication_id ? deduplication_id : "");
}

int queue_send(struct queue *queue, const struct message_parts *given, int delay_sec,
               uint64_t now_usec, struct queue_sent *ret)
{
    struct message_parts parts = *given;
    CLEANUP(message_free) struct message *message = NULL;
    const struct deduplication_entry *earlier;
    char content[2 * EVP_MAX_MD_SIZE + 1];
    const char *scope = NULL;
    uint64_t delay_usec;
    int r;

    queue_advance(queue, now_usec);
    if (queue->settings.is_fifo) {
        assert(parts.group_id);
        if (!parts.deduplication_id) {
            r = content_id(&parts, content);
            if (r < 0)
                return r;
            parts.deduplication_id = content;
        }
        scope = queue->settings.deduplication_per_group ? parts.group_id : NULL;
        earlier =
            deduplication_find(&queue->deduplication, scope, parts.deduplication_id, now_usec);
        if (earlier) {
            tell_sent(earlier->message_id, earlier->sequence_number, parts.deduplication_id, ret);
            ret->is_duplicate = true;
            return 0;
        }
        delay_sec = -1;
    }

    r = message_new(&parts, &message);
    if (r < 0)
        return r;
    message->sent_usec = now_usec;
    if (queue->settings.is_fifo)
        queue_next_sequence(queue, message->sequence_number);
    delay_usec = (delay_sec >= 0 ? (unsigned)delay_sec : queue->settings.delay_sec) * USEC_PER_SEC;
    r = queue_put(queue, message, delay_usec > 0 ? MESSAGE_DELAYED : MESSAGE_READY,
                  now_usec + delay_usec);
    if (r < 0)
        return r;
    if (queue->settings.is_fifo) {
        r = deduplication_add(&queue->deduplication, scope, message->deduplication_id,
                              message->message_id, message->sequence_number, now_usec);
        if (r < 0) {
            queue_take(queue, message);
            return r;
        }
    }
    tell_sent(message->message_id, message->sequence_number, message->deduplication_id, ret);
    message = NULL; /* it belongs to the queue now */
    return 0;
}

void queue_purge(struct queue *queue, uint64_t now_usec)
{
    drop_all(queue);
    queue->purged_usec = now_usec;
}

void queue_count(struct queue *queue, uint64_t now_usec, struct queue_counts *ret)
{
    queue_advance(queue, now_usec);
    *ret = queue->slack.stale_usec > 0 ? queue->counted[1] : count_now(queue);
}

bool queue_is_receivable(struct queue *queue, uint64_t now_usec)
{
    queue_advance(queue, now_usec);
    return !list_is_empty(&queue->ready);
}

uint64_t queue_next_usec(const struct queue *queue)
{
    return timer_heap_next_usec(&queue->due);
}
