/* SPDX-License-Identifier: MIT */
/* The queue attributes that are JSON: RedrivePolicy, RedriveAllowPolicy and Policy (Amazon SQS API
 * Reference, "CreateQueue"). Each reader takes the attribute's text, which must not be empty. */
#pragma once

#include "util/buffer.h"

enum {
    QUEUE_POLICY_E_FORM = 1,  /* not a policy of this kind at all */
    QUEUE_POLICY_E_VALUE = 2, /* it has a value that is not allowed; *reason is AWS's text */
};

struct policy_reason {
    char text[256];
};

struct redrive_policy {
    char *text; /* as GetQueueAttributes returns it; owned */
    char *arn;  /* of the dead-letter queue; owned */
    unsigned max_receive_count;
};

/* Returns 0, -ENOMEM, QUEUE_POLICY_E_FORM or QUEUE_POLICY_E_VALUE. */
int redrive_policy_read(const char *text, struct redrive_policy *ret, struct policy_reason *reason);
void redrive_policy_done(struct redrive_policy *policy);

static inline void redrive_policy_done_cleanup(struct redrive_policy *policy)
{
    redrive_policy_done(policy);
}

/* Only checks. Returns the same. */
int redrive_allow_policy_check(const char *text, struct policy_reason *reason);

/* Whether the RedriveAllowPolicy of a dead-letter queue allows the source queue with that ARN. The
 * policy must have been checked. NULL: there is no policy. */
bool redrive_allow_policy_lets(const char *text, const char *source_arn);

/* Only checks whether the text is a policy; its permissions have no effect. Returns 0, -ENOMEM or
 * QUEUE_POLICY_E_FORM. */
int access_policy_check(const char *text);
