/* SPDX-License-Identifier: MIT */
/* Shared by the tests of the queue model. The model takes the time as a parameter. Here the time is
 * `now`: it starts again with each new queue, and only a test moves it. */
#pragma once

#include <stdio.h>

#include "queue.h"
#include "test.h"

#define SEC USEC_PER_SEC

static uint64_t now;

static inline struct queue *make_queue(const char *const *settings)
{
    struct queue_settings s;
    struct queue *queue = NULL;
    struct policy_reason reason;

    now = UINT64_C(1700000000) * SEC;
    queue_settings_init(&s, true);
    for (; settings && settings[0]; settings += 2)
        assert_int_equal(queue_settings_set(&s, settings[0], settings[1], true, &reason), 0);
    assert_int_equal(queue_new("test.fifo", 7, &s, now, &queue), 0);
    return queue;
}

static inline struct queue *make_standard_queue(void)
{
    struct queue_settings s;
    struct queue *queue = NULL;

    now = UINT64_C(1700000000) * SEC;
    queue_settings_init(&s, false);
    assert_int_equal(queue_new("test", 8, &s, now, &queue), 0);
    return queue;
}

static inline struct queue_sent send_message(struct queue *queue, const char *group, const char *id,
                                             const char *body)
{
    static unsigned n;
    char message_id[MESSAGE_ID_SIZE];
    struct queue_sent sent;
    struct message_parts parts = {
        .message_id = message_id,
        .body = body,
        .body_bytes = strlen(body),
        .group_id = group,
        .deduplication_id = id,
    };

    snprintf(message_id, sizeof(message_id), "id-%u", ++n);
    assert_int_equal(queue_send(queue, &parts, -1, now, &sent), 0);
    return sent;
}

/* Sends each letter as a message, with that letter as body and as deduplication id. */
static inline void send_all(struct queue *queue, const char *group, const char *bodies)
{
    for (; *bodies; bodies++)
        send_message(queue, group, (char[]){*bodies, '\0'}, (char[]){*bodies, '\0'});
}

static struct queue_delivery got[RECEIVE_MAX_MESSAGES];

/* Receives, and returns the one-letter bodies in order. `got` holds the whole result. */
static inline const char *receive_with(struct queue *queue, struct queue_receive receive)
{
    static char bodies[RECEIVE_MAX_MESSAGES + 1];
    size_t n = 99;

    assert_int_equal(queue_receive(queue, NULL, &receive, now, got, &n), 0);
    assert_in_range(n, 0, receive.max_messages);
    for (size_t i = 0; i < n; i++)
        bodies[i] = got[i].message->body[0];
    bodies[n] = '\0';
    return bodies;
}

static inline const char *receive(struct queue *queue, unsigned max)
{
    return receive_with(queue, (struct queue_receive){.max_messages = max, .visibility_sec = -1});
}

static inline void delete_message(struct queue *queue, const char *handle)
{
    struct message *message = NULL;

    assert_int_equal(queue_delete(queue, handle, now, &message), 0);
    assert_non_null(message);
    message_free(message);
}
