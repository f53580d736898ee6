/* SPDX-License-Identifier: MIT */
/* The lines that programs send to the submit socket: JSON objects in UTF-8 of at most
 * SUBMISSION_LINE_MAX_BYTES, each ended by a newline. A line is a message or a command.
 *
 *   {"body": "...", "group": "...", "deduplication_id": "...", "delay": 0,
 *    "attributes": {"a": "text", "b": {"type": "Number", "value": "1"},
 *                   "c": {"type": "Binary", "value": "<base64>"}}}
 *   {"command": "rejected", "after": 0}       list a page of rejected messages
 *   {"command": "retry", "id": "..."}         send one again; "all" for all
 *   {"command": "drop", "id": "..."}          delete one; "all" for all
 *   {"command": "series", "id": "...", "after": 0}
 *                                             the lines that follow are a series: series.h
 *
 * All members except `body`, `command` and `id` may be left out or null. submission-reply.h has the
 * replies. */
#pragma once

#include "sqs/message.h"
#include "util/buffer.h"

enum {
    /* A message of 1 MiB with each byte escaped as \u00XX, and space for the rest; without the
     * newline. */
    SUBMISSION_LINE_MAX_BYTES = 6 * SQS_MESSAGE_MAX_BYTES + 64 * 1024,
};

enum submission_kind {
    SUBMISSION_MESSAGE,
    SUBMISSION_REJECTED, /* the first of the commands */
    SUBMISSION_RETRY,
    SUBMISSION_DROP,
    SUBMISSION_SERIES, /* the last of the commands */
};

struct submission {
    enum submission_kind kind;
    /* owned; submission_validate may set its group and deduplication id */
    struct sqs_message message;
    uint64_t after; /* REJECTED, SERIES: about the messages with higher numbers */
    const char *id; /* RETRY, DROP, SERIES; NULL: all */
};

/* Reads a line without its newline. Returns 0, -ENOMEM, or SUBMISSION_E_INVALID with *error a line
 * that names the member and the fault and shows no value. The caller frees both. */
enum { SUBMISSION_E_INVALID = 1 };
int submission_read(const char *line, size_t size, struct submission **ret, char **error);
struct submission *submission_free(struct submission *submission);
DEFINE_CLEANUP(struct submission *, submission_free)

/* What the queue requires of a message. */
struct submission_rules {
    bool is_fifo;
    size_t max_bytes;     /* of a message, as sqs_message_bytes counts */
    const char *group_id; /* default group on a FIFO queue; NULL: a message must name its group */
};

/* Completes a message and checks that the queue would accept it. On a FIFO queue a message without
 * a group gets that of the rules, and one without a deduplication id gets `id`, which must be
 * unique. So a retry is recognised as one, even on a queue with content-based deduplication. The
 * message borrows both texts. Returns 0, -ENOMEM, or SUBMISSION_E_INVALID with *error as above. */
int submission_validate(struct submission *submission, const struct submission_rules *rules,
                        const char *id, char **error);

/* Appends the line of a message with its newline. Returns 0, -ENOMEM, -E2BIG, or -EINVAL when a
 * text is not UTF-8; an error stays in the buffer. */
int submission_write(struct buffer *b, const struct sqs_message *message);

/* Appends the line of a command. `after` is for REJECTED and SERIES, `id` for all but REJECTED
 * (NULL: all). */
int submission_write_command(struct buffer *b, enum submission_kind kind, uint64_t after,
                             const char *id);
