/* SPDX-License-Identifier: MIT */
/* What the readers of SQS's replies share. Only reply.c, reply-received.c and reply-reader.c may
 * include it. */
#pragma once

#include "sqs/reply.h"
#include "util/json-tree.h"

struct reply_chunk;

/* What a reply's pointers point into. */
struct reply_storage {
    struct json_tree *tree; /* NULL: the reply had no body */
    struct reply_chunk *chunks;
};

struct reply_reader {
    const struct sqs_request *request;
    struct sqs_reply *reply;
    struct reply_storage *storage;
    char **error; /* may be NULL */

    /* The object being read, for errors: `list`[list_at].`inner`[inner_at], for example
     * Messages[3].MessageAttributes[0]. `inner` may be NULL. If `list` is NULL, it is the whole
     * reply. */
    const char *list, *inner;
    size_t list_at, inner_at;
};

/* Sets *error and returns SQS_REPLY_E_DAMAGED, or returns -ENOMEM. The line is the name of the
 * member (NULL: of the object being read) and the text, for example "is missing". */
int reply_damaged(const struct reply_reader *reader, const char *name, const char *format, ...)
    PRINTF_FORMAT(3, 4);

/* Zeroed memory that lives as long as the reply. NULL: out of memory. */
void *reply_allocate(const struct reply_reader *reader, size_t n, size_t size);

/* Turns the result of json_value_get and its variants into a result of these readers. `required`:
 * an absent member is damage, too. */
int reply_result(const struct reply_reader *reader, const char *name, int answer, bool required);

/* These functions leave *ret unchanged if the member is absent. 0, SQS_REPLY_E_DAMAGED or -ENOMEM.
 */
int reply_read_string(const struct reply_reader *reader, const struct json_value *object,
                      const char *name, const char **ret);
/* Decimal digits in a string, at most `max`. */
int reply_read_number(const struct reply_reader *reader, const struct json_value *object,
                      const char *name, uint64_t max, uint64_t *ret);
int reply_read_unsigned(const struct reply_reader *reader, const struct json_value *object,
                        const char *name, unsigned *ret);
/* Whether the reply's MD5 `name` differs from `ours`. */
int reply_read_md5(const struct reply_reader *reader, const struct json_value *object,
                   const char *name, const char *ours, bool *ret_differs);

/* An absent or empty member is damage. */
int reply_read_required_string(const struct reply_reader *reader, const struct json_value *object,
                               const char *name, const char **ret);

/* ReceiveMessage, in reply-received.c. */
int reply_parse_received(struct reply_reader *reader, const struct json_value *root);

void reply_storage_free(struct reply_storage *storage);
