/* SPDX-License-Identifier: MIT */
/* The queue attributes whose values are JSON: RedrivePolicy, RedriveAllowPolicy and Policy (Amazon
 * SQS API Reference, "CreateQueue"). Each reader takes the attribute's text, which is not empty. */
#pragma once

#include "util/buffer.h"

enum {
    QUEUE_POLICY_E_FORM = 1,  /* not such a policy at all */
    QUEUE_POLICY_E_VALUE = 2, /* one that says what it may not; *reason is AWS's text */
};

struct policy_reason {
    char text[256];
};

struct redrive_policy {
    char *text; /* as it is read back; owned */
    char *arn;  /* of the dead-letter queue; owned */
    unsigned max_receive_count;
};

/* 0, -ENOMEM, QUEUE_POLICY_E_FORM, QUEUE_POLICY_E_VALUE. */
int redrive_policy_read(const char *text, struct redrive_policy *ret, struct policy_reason *reason);
void redrive_policy_done(struct redrive_policy *policy);

static inline void redrive_policy_done_cleanup(struct redrive_policy *policy)
{
    redrive_policy_done(policy);
}

/* Only checks; the same results. */
int redrive_allow_policy_check(const char *text, struct policy_reason *reason);

/* Whether a checked RedriveAllowPolicy, or NULL for none, lets the queue of that ARN send its dead
 * letters. */
bool redrive_allow_policy_lets(const char *text, const char *source_arn);

/* Only whether it is a policy; no permission is granted or refused for it. 0, -ENOMEM,
 * QUEUE_POLICY_E_FORM. */
int access_policy_check(const char *text);
