/* SPDX-License-Identifier: MIT */
/* The headers with which Elastic Beanstalk's worker daemon, aws-sqsd, posts a message, so that an
 * application made for it runs unchanged. After AWS's Elastic Beanstalk Developer Guide, "The
 * worker environment SQS daemon" (using-features-managing-env-tiers.html):
 *
 *   Content-Type                  as configured; the default of aws-sqsd is application/json
 *   X-Aws-Sqsd-Msgid              the message's id
 *   X-Aws-Sqsd-Queue              the queue's name, without the rest of its URL
 *   X-Aws-Sqsd-First-Received-At  ISO 8601, UTC, whole seconds: 2018-07-08T13:08:26Z
 *   X-Aws-Sqsd-Receive-Count      decimal
 *   X-Aws-Sqsd-Attr-<name>        one for each message attribute of type String or Number, with or
 *                                 without a label; Binary ones are left out
 *
 * The following are in the guide for periodic tasks only, or not at all. But aws-sqsd sends them
 * with every message (seen from its versions 2.0, 2.3 and 3.0.4):
 *
 *   X-Aws-Sqsd-Sender-Id          the sender's id, as SQS has it
 *   X-Aws-Sqsd-Sent-At            as First-Received-At
 *   X-Aws-Sqsd-Path               the path that is posted to
 *
 * The HTTP client sends User-Agent ("aws-sqsd/1.1" in the guide). There are no periodic tasks here,
 * and so no Taskname and Scheduled-At. */
#pragma once

#include "daemon/instance.h"
#include "sqs/message.h"
#include "util/buffer.h"

#define SQSD_USER_AGENT "aws-sqsd/1.1 " CONSUMER_NAME "/" PROJECT_VERSION

enum {
    SQSD_HEADERS_MAX = 8 + SQS_ATTRIBUTES_MAX,
    /* The limit for all lines together. A message's attributes may be larger, but libcurl accepts
     * only 1 MiB. */
    SQSD_HEADERS_MAX_BYTES = 512 * 1024,
    /* The sizes that servers commonly accept, besides the lines that the HTTP client adds:
     * nginx, Node.js and others accept 8 KiB for a header, or 16 KiB in all. */
    SQSD_HEADER_COMMON_BYTES = 8 * 1024,
    SQSD_HEADERS_COMMON_BYTES = 16 * 1024,
};

/* The values that are the same for all messages; borrowed. */
struct sqsd_fixed {
    const char *content_type;
    const char *queue_name;
    const char *path;
};

struct sqsd_headers {                        /* all zero: none */
    const char *lines[SQSD_HEADERS_MAX + 1]; /* "Name: value", NULL-terminated */
    struct buffer text;                      /* `lines` points into it */
    /* String and Number attributes that no header can carry. They are left out, as Binary ones are:
     * the value has a control character other than a tab (such as a line break), the name is not
     * one that SQS allows, or it is too large. */
    unsigned n_left_out;
    const char *left_out; /* name of the first one, or NULL; borrowed from the message */
    /* The size of all lines together and of the largest, with their CRLF. */
    size_t bytes, largest_bytes;
};

/* Makes the headers of a message. A value that SQS did not give has no header. HTTP ignores spaces
 * at the ends of a value, so they are lost; UTF-8 is sent unchanged. 0 or -ENOMEM. `ret` may have
 * been used before; in any case the caller ends it with sqsd_headers_done. */
int sqsd_headers_make(const struct sqsd_fixed *fixed, const struct sqs_received_message *message,
                      struct sqsd_headers *ret);
void sqsd_headers_done(struct sqsd_headers *headers);

static inline void sqsd_headers_done_cleanup(struct sqsd_headers *headers)
{
    sqsd_headers_done(headers);
}
