/* SPDX-License-Identifier: MIT */
/* A table of AWS's errors, those of SQS and those of all services. Each has two names: the shape's
 * name, as in __type, and the older query protocol's code. Its class decides what to do. The
 * functions are pure. */
#pragma once

#include <time.h>

#include "aws/backoff.h"

enum aws_error_class {
    AWS_ERROR_TRANSIENT,   /* try again: 5xx, time-outs, the network, damaged replies */
    AWS_ERROR_THROTTLED,   /* try again, more slowly; OverLimit and KMS throttling too */
    AWS_ERROR_CLOCK,       /* the signature's time is wrong: correct the skew, try again */
    AWS_ERROR_CREDENTIALS, /* keys missing, unknown, expired or wrong: refresh them, try again */
    AWS_ERROR_PERMANENT,   /* the same request will fail again */
};

/* The kind of back-off before the same request is tried again. It is slow if a person must repair
 * something first (keys, the clock, the queue). */
enum backoff_kind aws_error_backoff(enum aws_error_class class);

/* The class for an error code under either name, also for one of a batch entry. An unknown code is
 * PERMANENT if sender_fault, else TRANSIENT. */
enum aws_error_class aws_error_class_of_code(const char *code, bool sender_fault);

/* A row of the table. */
struct aws_known_error {
    const char *name;           /* the shape's */
    const char *query_code;     /* the older query protocol's; the same if there is only one */
    int http_status;            /* the usual one */
    enum aws_error_class class; /* for SignatureDoesNotMatch the error's text decides, too */
};

/* Whether AWS refuses the signature only for its time. The texts "Signature expired: ..." and
 * "Signature not yet current: ..." come with the same code as a signature made with a wrong key.
 * `code` is either name; `message` may be NULL. */
bool aws_error_is_about_clock(const char *code, const char *message);

/* Whether AWS refuses the signature only because it was made for another region. That, too, comes
 * with the code of a signature made with a wrong key. `code` is either name; `message` may be NULL.
 */
bool aws_error_is_about_region(const char *code, const char *message);

/* The row of an error code under either name; NULL if it is not in the table. */
const struct aws_known_error *aws_error_find(const char *code);

/* The table's shape name for an error code under either name, or the code itself if it is not in
 * the table. Never NULL. */
const char *aws_error_canonical_name(const char *code);

/* Reads the server's time from the text of a SigV4 time error. Two forms are known: "Signature
 * expired: 20150830T123600Z is now earlier than 20150830T125000Z (20150830T130500Z - 15 min.)", and
 * "Signature not yet current: A is still later than B (C + 15 min.)". The server's time is between
 * "(" and " - 15 min" or " + 15 min". 0 or -EINVAL. */
int aws_error_server_time(const char *text, time_t *ret);
