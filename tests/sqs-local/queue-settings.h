/* SPDX-License-Identifier: MIT */
/* A queue's attributes as CreateQueue and SetQueueAttributes take them. They are texts, and one
 * table has SQS's range for each (Amazon SQS API Reference, "CreateQueue"). */
#pragma once

#include "queue-policies.h"

struct queue_settings {
    bool is_fifo;
    bool content_based_deduplication;
    bool deduplication_per_group; /* DeduplicationScope = messageGroup */
    bool throughput_per_group;    /* FifoThroughputLimit = perMessageGroupId: no limit here */
    bool sse;
    unsigned delay_sec;
    unsigned visibility_sec;
    unsigned receive_wait_sec;
    unsigned retention_sec;
    unsigned maximum_message_bytes;
    unsigned kms_reuse_sec;
    char *policy; /* the texts are NULL if not set */
    char *redrive_policy;
    char *redrive_allow_policy;
    char *kms_master_key_id;
    char *dead_letter_arn;      /* from redrive_policy; NULL: none */
    unsigned max_receive_count; /* the same; 0: none */
};

/* Set the defaults of a new queue; free the settings of any queue. */
void queue_settings_init(struct queue_settings *s, bool is_fifo);
void queue_settings_done(struct queue_settings *s);

static inline void queue_settings_done_cleanup(struct queue_settings *s)
{
    queue_settings_done(s);
}

enum {
    QUEUE_SETTINGS_E_NAME = 1,  /* unknown, cannot be set, or not for this type of queue */
    QUEUE_SETTINGS_E_VALUE,     /* out of range or of another type */
    QUEUE_SETTINGS_E_FORMAT,    /* the same for a RedriveAllowPolicy */
    QUEUE_SETTINGS_E_POLICY,    /* a policy with a value that is not allowed */
    QUEUE_SETTINGS_E_FIFO,      /* FifoQueue cannot be changed */
    QUEUE_SETTINGS_E_FIFO_ONLY, /* only for FIFO queues */
};

/* Sets one attribute by AWS's name for it. FifoQueue must have the value that the settings were
 * made with. `is_new`: the call is CreateQueue, else SetQueueAttributes. Returns 0, -ENOMEM or one
 * of the above; for E_POLICY *reason is AWS's text. */
int queue_settings_set(struct queue_settings *s, const char *name, const char *value, bool is_new,
                       struct policy_reason *reason);

/* Reads "true" or "false". SQS also accepts "True" and "False". Returns whether the text is one of
 * these. */
bool queue_settings_read_boolean(const char *text, bool *ret);

/* Calls `each` with every attribute that has a value. If `each` returns anything but 0, stops and
 * returns that. Otherwise returns 0 or -ENOMEM. */
int queue_settings_each(const struct queue_settings *s,
                        int (*each)(const char *name, const char *value, void *data), void *data);

/* Whether an attribute has the same value in both. */
bool queue_settings_same(const struct queue_settings *a, const struct queue_settings *b,
                         const char *name);
