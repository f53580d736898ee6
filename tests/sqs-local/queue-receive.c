/* SPDX-License-Identifier: MIT */
/* Receives messages, deletes them, and changes their visibility.
 *
 * A receipt handle contains a message's number and its generation, which counts its receives. Only
 * the handle of the newest generation deletes a message. On a standard queue it does so even after
 * the visibility timeout has ended. On a FIFO queue it does not, since later messages of the group
 * may have been received by then. On a standard queue, older handles can also change the visibility
 * of a message in flight. */
#include "queue-internal.h"

#include <errno.h>

#define TOTAL_VISIBILITY_USEC (SQS_VISIBILITY_MAX_SEC * USEC_PER_SEC)

/* Moves a message that was received too often to the dead-letter queue. There it is a new message
 * with its old id, body and receive count. */
static int move_to(struct queue *from, struct queue *to, struct message *message, uint64_t now_usec)
{
    char *source = strdup(from->name);

    if (!source)
        return -ENOMEM;
    queue_advance(to, now_usec);
    queue_take(from, message);
    free(message->source_queue);
    message->source_queue = source;
    /* A standard queue keeps the time when the message was sent, and so its age. On a FIFO queue
     * its age starts again. */
    if (to->settings.is_fifo) {
        message->sent_usec = now_usec;
        queue_next_sequence(to, message->sequence_number);
    }
    message->first_received_usec = 0;
    if (queue_put(to, message, MESSAGE_READY, 0) < 0) {
        message_free(message);
        return -ENOMEM;
    }
    return 0;
}

/* With the probability of slack.duplicates, adds a copy of the message as it was before this
 * receive. Returns 0 or -ENOMEM. */
static int duplicate(struct queue *queue, const struct message *message)
{
    struct message_parts parts = {
        .message_id = message->message_id,
        .body = message->body,
        .body_bytes = message->body_bytes,
        .group_id = message->group_id,
        .deduplication_id = message->deduplication_id,
        .trace_header = message->trace_header,
        .attributes = message->attributes,
        .n_attributes = message->n_attributes,
    };
    CLEANUP(message_free) struct message *copy = NULL;
    int r;

    if (queue->settings.is_fifo || message->is_copy ||
        !chance_has(&queue->slack.chance, queue->slack.duplicates))
        return 0;
    r = message_new(&parts, &copy);
    if (r < 0)
        return r;
    if (message->source_queue) {
        copy->source_queue = strdup(message->source_queue);
        if (!copy->source_queue)
            return -ENOMEM;
    }
    copy->is_copy = true;
    copy->sent_usec = message->sent_usec;
    copy->first_received_usec = message->first_received_usec;
    copy->receive_count = message->receive_count;
    r = queue_put(queue, copy, MESSAGE_READY, 0);
    if (r < 0)
        return r;
    copy = NULL; /* it belongs to the queue now */
    queue->slack.n_duplicates++;
    return 0;
}

static int hand_out(struct queue *queue, struct message *message, const char *attempt_id,
                    uint64_t visibility_usec, uint64_t now_usec)
{
    CLEANUP(free) char *id = NULL;
    int r;

    if (attempt_id) {
        id = strdup(attempt_id);
        if (!id)
            return -ENOMEM;
    }
    r = duplicate(queue, message);
    if (r == 0)
        r = queue_set_state(queue, message, MESSAGE_IN_FLIGHT, now_usec + visibility_usec);
    if (r < 0)
        return r;
    message->attempt_id = TAKE(id);
    message->generation++;
    message->receive_count++;
    message->received_usec = now_usec;
    if (message->first_received_usec == 0)
        message->first_received_usec = now_usec;
    return 0;
}

static void deliver(const struct queue *queue, const struct message *message,
                    struct queue_delivery *ret)
{
    struct receipt receipt = {
        .queue_id = queue->id,
        .serial = message->serial,
        .generation = message->generation,
    };

    ret->message = message;
    receipt_handle_format(&receipt, ret->handle);
}

/* Chooses a message of a standard queue that has ready messages: the oldest, or sometimes one after
 * it. */
static struct message *pick(struct queue *queue)
{
    struct list *member = queue->ready.next;

    if (chance_has(&queue->slack.chance, queue->slack.disorder)) {
        uint64_t n = 1 + chance_next(&queue->slack.chance) % QUEUE_DISORDER_SPAN;

        while (n-- > 0 && member->next != &queue->ready)
            member = member->next;
        queue->slack.n_disordered += member != queue->ready.next;
    }
    return CONTAINER_OF(member, struct message, of_group);
}

/* The next message to return: the one after `previous` in its group if that is ready, else the
 * first ready one. */
static struct message *next_ready(struct queue *queue, struct message *previous)
{
    struct list *first = queue->ready.next;

    if (previous && previous->group && previous->of_group.next != &previous->group->messages) {
        struct message *next = CONTAINER_OF(previous->of_group.next, struct message, of_group);

        if (next->state == MESSAGE_READY)
            return next;
    }
    if (list_is_empty(&queue->ready))
        return NULL;
    if (!queue->settings.is_fifo)
        return pick(queue);
    first = CONTAINER_OF(first, struct group, ready)->messages.next;
    return CONTAINER_OF(first, struct message, of_group);
}

/* Repeats a receive attempt: returns the same messages, and starts their visibility timeout again.
 * If one of them is no longer in flight under its handle, *ret_n stays 0 and the caller makes a new
 * receive. */
static int repeat_attempt(struct queue *queue, struct receive_attempt *attempt,
                          uint64_t visibility_usec, uint64_t now_usec, struct queue_delivery *ret,
                          size_t *ret_n)
{
    if (attempt->is_void)
        return QUEUE_E_ATTEMPT_VOID;
    for (size_t i = 0; i < attempt->n_messages; i++) {
        struct message *message = queue_find(queue, attempt->messages[i].serial);

        if (!message || message->state != MESSAGE_IN_FLIGHT ||
            message->generation != attempt->messages[i].generation) {
            receive_attempts_remove(&queue->attempts, attempt);
            return 0;
        }
        deliver(queue, message, &ret[i]);
    }
    for (size_t i = 0; i < attempt->n_messages; i++) {
        struct message *message = queue_find(queue, attempt->messages[i].serial);

        timer_heap_set(&queue->due, &message->due, now_usec + visibility_usec);
    }
    *ret_n = attempt->n_messages;
    return 0;
}

static int receive_new(struct queue *queue, struct queue *dead_letters,
                       const struct queue_receive *receive, uint64_t visibility_usec,
                       uint64_t now_usec, struct queue_delivery *ret, size_t *ret_n)
{
    unsigned max_receives = dead_letters ? queue->settings.max_receive_count : 0;
    struct message *message, *previous = NULL;
    size_t n = 0;
    int r = 0;

    while (n < receive->max_messages && (message = next_ready(queue, previous))) {
        if (max_receives > 0 && message->receive_count >= max_receives) {
            r = move_to(queue, dead_letters, message, now_usec);
        } else if (!queue->settings.is_fifo && queue->n_in_flight >= QUEUE_IN_FLIGHT_MAX) {
            r = n > 0 ? 0 : QUEUE_E_OVER_LIMIT;
            break;
        } else {
            r = hand_out(queue, message, receive->attempt_id, visibility_usec, now_usec);
            if (r == 0) {
                deliver(queue, message, &ret[n++]);
                previous = message;
            }
        }
        if (r < 0)
            break;
    }
    if (r < 0 && n == 0)
        return r;
    *ret_n = n;
    return r > 0 ? r : 0;
}

int queue_receive(struct queue *queue, struct queue *dead_letters,
                  const struct queue_receive *receive, uint64_t now_usec,
                  struct queue_delivery ret[RECEIVE_MAX_MESSAGES], size_t *ret_n)
{
    uint64_t visibility_usec =
        USEC_PER_SEC * (receive->visibility_sec >= 0 ? (unsigned)receive->visibility_sec
                                                     : queue->settings.visibility_sec);
    struct receive_attempt *attempt;
    size_t n = 0;
    int r;

    queue_advance(queue, now_usec);
    if (receive->attempt_id) {
        attempt = receive_attempts_find(&queue->attempts, receive->attempt_id, now_usec);
        if (attempt) {
            r = repeat_attempt(queue, attempt, visibility_usec, now_usec, ret, &n);
            if (r != 0 || n > 0) {
                *ret_n = n;
                return r;
            }
        }
    }
    r = receive_new(queue, dead_letters, receive, visibility_usec, now_usec, ret, &n);
    if (r != 0)
        return r;
    if (receive->attempt_id && n > 0 &&
        receive_attempts_add(&queue->attempts, receive->attempt_id, now_usec, &attempt) == 0) {
        for (size_t i = 0; i < n; i++) {
            attempt->messages[i].serial = ret[i].message->serial;
            attempt->messages[i].generation = ret[i].message->generation;
        }
        attempt->n_messages = n;
    }
    *ret_n = n;
    return 0;
}

int queue_void_attempt(struct queue *queue, const char *attempt_id, uint64_t now_usec)
{
    struct receive_attempt *attempt = receive_attempts_find(&queue->attempts, attempt_id, now_usec);
    int r = attempt ? 0 : receive_attempts_add(&queue->attempts, attempt_id, now_usec, &attempt);

    if (r == 0)
        attempt->is_void = true;
    return r;
}

/* Finds the message of a handle. Returns QUEUE_E_HANDLE_INVALID, or 0 with *ret_message, which is
 * NULL if the message is gone. */
static int resolve(struct queue *queue, const char *handle, struct message **ret_message,
                   struct receipt *ret_pending)
{
    struct receipt receipt;

    if (receipt_handle_parse(handle, &receipt) < 0 || receipt.queue_id != queue->id ||
        receipt.serial == 0 || receipt.serial > queue->last_serial || receipt.generation == 0)
        return QUEUE_E_HANDLE_INVALID;
    *ret_pending = receipt;
    *ret_message = queue_find(queue, receipt.serial);
    if (*ret_message && receipt.generation > (*ret_message)->generation)
        return QUEUE_E_HANDLE_INVALID;
    return 0;
}

bool queue_knows_handle(struct queue *queue, const char *handle)
{
    struct message *message;
    struct receipt receipt;

    return resolve(queue, handle, &message, &receipt) == 0;
}

int queue_delete(struct queue *queue, const char *handle, uint64_t now_usec, struct message **ret)
{
    struct message *message;
    struct receipt receipt;
    bool is_current;
    int r;

    queue_advance(queue, now_usec);
    r = resolve(queue, handle, &message, &receipt);
    if (r != 0)
        return r;
    if (!message) {
        *ret = NULL;
        return 0;
    }
    is_current = message->generation == receipt.generation;
    if (queue->settings.is_fifo) {
        if (!is_current || message->state != MESSAGE_IN_FLIGHT)
            return QUEUE_E_HANDLE_EXPIRED;
    } else if (is_current && message->received_usec + TOTAL_VISIBILITY_USEC <= now_usec) {
        return QUEUE_E_HANDLE_EXPIRED;
    } else if (!is_current) {
        *ret = NULL;
        return 0;
    }
    if (message->attempt_id)
        receive_attempts_void(&queue->attempts, message->attempt_id, message->serial);
    queue_take(queue, message);
    *ret = message;
    return 0;
}

int queue_change_visibility(struct queue *queue, const char *handle, unsigned visibility_sec,
                            uint64_t now_usec)
{
    uint64_t due_usec = now_usec + visibility_sec * USEC_PER_SEC;
    struct message *message;
    struct receipt receipt;
    int r;

    queue_advance(queue, now_usec);
    r = resolve(queue, handle, &message, &receipt);
    if (r != 0)
        return r;
    if (!message)
        return QUEUE_E_NOT_AVAILABLE;
    /* On a standard queue SQS returns 200 here and changes nothing. */
    if (message->state != MESSAGE_IN_FLIGHT)
        return queue->settings.is_fifo ? QUEUE_E_HANDLE_EXPIRED : 0;
    if (queue->settings.is_fifo && message->generation != receipt.generation)
        return QUEUE_E_HANDLE_EXPIRED;
    if (due_usec > message->received_usec + TOTAL_VISIBILITY_USEC)
        return QUEUE_E_TOTAL_TOO_LONG;
    if (message->attempt_id)
        receive_attempts_void(&queue->attempts, message->attempt_id, message->serial);
    return queue_set_state(queue, message, visibility_sec == 0 ? MESSAGE_READY : MESSAGE_IN_FLIGHT,
                           due_usec);
}
