/* SPDX-License-Identifier: MIT */
/* What a failed operation on the queue means for people: what is wrong, what to do, and the exit
 * status of a daemon that cannot go on. */
#pragma once

#include "sqs/error.h"
#include "sqs/request.h"
#include "util/buffer.h"
#include "util/log-rate-limit.h"

/* Appends, for example, "QueueDoesNotExist: The specified queue does not exist.". For a denied
 * action, the action's name comes first, as AWS's policies write it: "sqs:SendMessage is denied:
 * ...". */
void failure_describe(struct buffer *b, enum sqs_operation operation,
                      const struct sqs_error *error);

/* Writes one log entry: "<lead>: <description>; to correct it: <remedy><tail>". `request_id` may be
 * "". */
void failure_write(int priority, enum sqs_operation operation, const struct sqs_error *error,
                   const char *request_id, const char *lead, const char *tail);

/* Writes that a shortage of this machine (`error`: -ENOMEM, -EMFILE, ...) prevents `what`, as the
 * limit allows. The caller tries again: shortages usually pass, and waiting loses no message. */
void failure_write_shortage(struct log_rate_limit *limit, const char *what, int error,
                            uint64_t now_usec);

/* EX_NOPERM if the cause is the credentials, the clock or a permission, else EX_UNAVAILABLE. */
int failure_exit_status(const struct sqs_error *error);
