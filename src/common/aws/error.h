/* SPDX-License-Identifier: MIT */
/* AWS's errors, of SQS and of all its services, under both their names (the shape's name, as in
 * __type, and the older query protocol's code), and the class that decides what to do. One table
 * holds all that is known of each. Pure. */
#pragma once

#include <time.h>

#include "util/backoff.h"

enum aws_error_class {
    AWS_ERROR_TRANSIENT,   /* try again: 5xx, time-outs, the network, damaged replies */
    AWS_ERROR_THROTTLED,   /* try again, more slowly; OverLimit and KMS throttling too */
    AWS_ERROR_CLOCK,       /* the signature's time is off: correct the skew, try again */
    AWS_ERROR_CREDENTIALS, /* keys missing, unknown, expired or wrong: refresh them, try again */
    AWS_ERROR_PERMANENT,   /* the same request will fail again */
};

/* "transient", ... */
const char *aws_error_class_name(enum aws_error_class class);

/* The kind of back-off before the same request is tried again: slow where a person must mend
 * something first (keys, the clock, the queue). */
enum backoff_kind aws_error_backoff(enum aws_error_class class);

/* The class for an error code under either name; for batch entries too. An unknown code: PERMANENT
 * where sender_fault, else TRANSIENT. */
enum aws_error_class aws_error_class_of_code(const char *code, bool sender_fault);

/* A row of the table. */
struct aws_known_error {
    const char *name;           /* the shape's */
    const char *query_code;     /* the older query protocol's; the same where there is only one */
    int http_status;            /* that it commonly comes with */
    enum aws_error_class class; /* for SignatureDoesNotMatch the text of the error decides, too */
};

/* Whether AWS refuses the signature for its time alone: "Signature expired: ..." and "Signature not
 * yet current: ..." come under the code of a signature that was made with a wrong key. The code
 * under either name; `message` may be NULL. */
bool aws_error_is_about_clock(const char *code, const char *message);

/* The row of an error code under either name; NULL where it is not in the table. */
const struct aws_known_error *aws_error_find(const char *code);

/* The table's shape name for an error code under either name; the code itself where it is not in
 * the table. Never NULL. */
const char *aws_error_canonical_name(const char *code);

/* The server's time in the text of a SigV4 time error: "Signature expired: 20150830T123600Z is now
 * earlier than 20150830T125000Z (20150830T130500Z - 15 min.)", "Signature not yet current: A is
 * still later than B (C + 15 min.)": the time between "(" and " - 15 min" or " + 15 min". 0 or
 * -EINVAL. */
int aws_error_server_time(const char *text, time_t *ret);
