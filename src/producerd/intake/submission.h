/* SPDX-License-Identifier: MIT */
/* What programs hand in at sqs-producerd's socket: a JSON object a line (at most
 * SUBMISSION_LINE_MAX_BYTES, ended by a newline), a message or a command.
 *
 *   {"body": "...", "group": "...", "deduplication_id": "...", "delay": 0,
 *    "attributes": {"a": "text", "b": {"type": "Number", "value": "1"},
 *                   "c": {"type": "Binary", "value": "<base64>"}}}
 *   {"command": "rejected", "after": 0}       the messages set aside, a page (submission-reply.h)
 *   {"command": "retry", "id": "..."}         or "all"
 *   {"command": "drop", "id": "..."}          or "all"
 *
 * All but `body`, `command` and `id` may be left out or be null. */
#pragma once

#include "sqs/message.h"
#include "util/buffer.h"

enum {
    /* A message of 1 MiB whose every byte is escaped as \u00XX, and room for the rest; without the
     * newline. */
    SUBMISSION_LINE_MAX_BYTES = 6 * SQS_MESSAGE_MAX_BYTES + 64 * 1024,
};

enum submission_kind {
    SUBMISSION_MESSAGE,
    SUBMISSION_REJECTED, /* the first of the commands */
    SUBMISSION_RETRY,
    SUBMISSION_DROP,
};

struct submission {
    enum submission_kind kind;
    struct sqs_message message; /* the submission's; group and deduplication id may be replaced */
    uint64_t after;             /* of REJECTED: the number behind which to begin */
    const char *id;             /* of RETRY and DROP; NULL: all */
};

/* Reads a line, without its newline. 0, -ENOMEM, or SUBMISSION_E_INVALID with *error a line that
 * names the member and the fault, and shows no value; the caller frees both. */
enum { SUBMISSION_E_INVALID = 1 };
int submission_read(const char *line, size_t size, struct submission **ret, char **error);
struct submission *submission_free(struct submission *submission);
DEFINE_CLEANUP(struct submission *, submission_free)

/* What the queue asks of a message beyond its form. */
struct submission_rules {
    bool is_fifo;
    size_t max_bytes;     /* of a message, as SQS counts */
    const char *group_id; /* of those that name none, on a FIFO queue; NULL: they must name one */
};

/* Completes a message and checks that the queue would take it. On a FIFO queue one without a group
 * gets that of the rules, one without a deduplication id gets `id`, which must be unique: so a
 * message can be told from its own repetition, also where the queue would go by content. Both stay
 * borrowed. 0, -ENOMEM, or SUBMISSION_E_INVALID with *error as above. */
int submission_validate(struct submission *submission, const struct submission_rules *rules,
                        const char *id, char **error);

/* Appends the line of a message, with its newline. 0, -ENOMEM, -E2BIG, or -EINVAL where a text is
 * not UTF-8; any of them sticks to the buffer. */
int submission_write(struct buffer *b, const struct sqs_message *message);

/* Appends the line of a command. `after` is REJECTED's, `id` the others', NULL for all. */
int submission_write_command(struct buffer *b, enum submission_kind kind, uint64_t after,
                             const char *id);
