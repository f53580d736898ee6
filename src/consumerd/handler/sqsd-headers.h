/* SPDX-License-Identifier: MIT */
/* The headers with which Elastic Beanstalk's worker daemon, aws-sqsd, posts a message, so that an
 * application made for it runs unchanged. After AWS's Elastic Beanstalk Developer Guide, "The
 * worker environment SQS daemon" (using-features-managing-env-tiers.html):
 *
 *   Content-Type                  what is configured; its default there is application/json
 *   X-Aws-Sqsd-Msgid              the message's id
 *   X-Aws-Sqsd-Queue              the queue's name, without the rest of its URL
 *   X-Aws-Sqsd-First-Received-At  ISO 8601, UTC, whole seconds: 2018-07-08T13:08:26Z
 *   X-Aws-Sqsd-Receive-Count      decimal
 *   X-Aws-Sqsd-Attr-<name>        of each message attribute of type String or Number, with or
 *                                 without a label; Binary ones are left out
 *
 * and these, which the guide names for periodic tasks alone or not at all, but which applications
 * get from it with every message (seen from its versions 2.0, 2.3 and 3.0.4):
 *
 *   X-Aws-Sqsd-Sender-Id          the sender's id, as SQS has it
 *   X-Aws-Sqsd-Sent-At            as First-Received-At
 *   X-Aws-Sqsd-Path               the path that is posted to
 *
 * User-Agent, "aws-sqsd/1.1" in the guide, is the HTTP client's to send. Periodic tasks, with their
 * Taskname and Scheduled-At, are made by aws-sqsd itself; there are none here. */
#pragma once

#include "sqs/message.h"
#include "util/buffer.h"

#define SQSD_USER_AGENT "aws-sqsd/1.1 sqs-consumerd/" PROJECT_VERSION

enum {
    SQSD_HEADERS_MAX = 8 + SQS_ATTRIBUTES_MAX,
    /* Of all lines. A message's attributes may be larger, but libcurl takes no more than 1 MiB. */
    SQSD_HEADERS_MAX_BYTES = 512 * 1024,
    /* What servers commonly take, beside the lines that the HTTP client adds: nginx, Node.js and
     * others 8 KiB a header, or 16 KiB in all. */
    SQSD_HEADER_COMMON_BYTES = 8 * 1024,
    SQSD_HEADERS_COMMON_BYTES = 16 * 1024,
};

/* What is the same for all messages; borrowed. */
struct sqsd_fixed {
    const char *content_type;
    const char *queue_name;
    const char *path;
};

struct sqsd_headers {                        /* all zero: none */
    const char *lines[SQSD_HEADERS_MAX + 1]; /* "Name: value", NULL-terminated */
    struct buffer text;                      /* which they point into */
    /* String and Number attributes that no header can bear, and that are left out as Binary ones
     * are: with a control character other than a tab (line breaks among them), a name that is none
     * of SQS's, or too large. */
    unsigned n_left_out;
    const char *left_out; /* name of the first one, or NULL; the message's */
    /* Of the lines, with the CRLF that each gets: altogether, and the largest. */
    size_t bytes, largest_bytes;
};

/* What SQS did not tell, has no header. Spaces at a value's ends are lost, since HTTP takes them
 * for none of it; UTF-8 goes as it is. 0 or -ENOMEM. `ret` may have been used before; the caller
 * ends it with sqsd_headers_done in any case. */
int sqsd_headers_make(const struct sqsd_fixed *fixed, const struct sqs_received_message *message,
                      struct sqsd_headers *ret);
void sqsd_headers_done(struct sqsd_headers *headers);

static inline void sqsd_headers_done_cleanup(struct sqsd_headers *headers)
{
    sqsd_headers_done(headers);
}
