/* SPDX-License-Identifier: MIT */
/* A message is one block of memory: the structure, the table of attributes, then the texts. The
 * attributes point into their packed form, which is one of the texts. */
#include "producerd/spool/message.h"

#include <errno.h>

enum { SIZE_BYTES = 4 };

int spool_attributes_pack(const struct sqs_attribute *attributes, size_t n, struct buffer *b)
{
    for (size_t i = 0; i < n; i++) {
        const struct sqs_attribute *a = &attributes[i];
        const unsigned char size[SIZE_BYTES] = {
            (unsigned char)a->value_bytes, (unsigned char)(a->value_bytes >> 8),
            (unsigned char)(a->value_bytes >> 16), (unsigned char)(a->value_bytes >> 24)};

        buffer_append(b, a->name, strlen(a->name) + 1);
        buffer_append(b, a->data_type, strlen(a->data_type) + 1);
        buffer_append(b, size, sizeof(size));
        buffer_append(b, a->value, a->value_bytes);
    }
    return b->error;
}

/* Returns the text at *at, and moves *at behind its NUL. Returns NULL when there is no NUL. */
static const char *take_text(const char **at, const char *end)
{
    const char *text = *at, *nul = memchr(text, '\0', (size_t)(end - text));

    if (nul)
        *at = nul + 1;
    return nul ? text : NULL;
}

static bool take_attribute(const char **at, const char *end, struct sqs_attribute *ret)
{
    const char *name = take_text(at, end), *type = name ? take_text(at, end) : NULL;
    const unsigned char *size = (const unsigned char *)*at;
    size_t bytes;

    if (!type || (size_t)(end - *at) < SIZE_BYTES)
        return false;
    bytes = size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16 | (size_t)size[3] << 24;
    *at += SIZE_BYTES;
    if ((size_t)(end - *at) < bytes)
        return false;
    *ret = (struct sqs_attribute){
        .name = name,
        .data_type = type,
        .value = *at,
        .value_bytes = bytes,
        .is_binary = streq(type, "Binary") || strncmp(type, "Binary.", strlen("Binary.")) == 0,
    };
    *at += bytes;
    return true;
}

static int unpack(const void *packed, size_t bytes, struct sqs_attribute *ret, size_t *ret_n)
{
    const char *at = packed, *end = at + bytes;
    size_t n = 0;

    while (at < end)
        if (n == SQS_ATTRIBUTES_MAX || !take_attribute(&at, end, &ret[n++]))
            return -EUCLEAN;
    *ret_n = n;
    return 0;
}

/* Copies the bytes and a NUL to *at, and moves *at behind them. */
static const char *put(char **at, const void *bytes, size_t n)
{
    char *copy = *at;

    memcpy(copy, bytes, n);
    copy[n] = '\0';
    *at += n + 1;
    return copy;
}

static const char *put_text(char **at, const char *text)
{
    return text ? put(at, text, strlen(text)) : NULL;
}

static size_t room_for(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

int spool_message_new(const struct spool_row *row, struct spool_message **ret)
{
    CLEANUP(spool_message_free) struct spool_message *m = NULL;
    size_t table_bytes =
        row->attributes_bytes > 0 ? SQS_ATTRIBUTES_MAX * sizeof(struct sqs_attribute) : 0;
    struct sqs_attribute *table;
    size_t n = 0;
    char *at;
    int r;

    m = malloc(sizeof(*m) + table_bytes + room_for(row->id) + room_for(row->group_id) +
               room_for(row->deduplication_id) + row->attributes_bytes + row->body_bytes + 2);
    if (!m)
        return -ENOMEM;
    table = (struct sqs_attribute *)(m + 1);
    at = (char *)table + table_bytes;
    *m = (struct spool_message){
        .row = {.id = put_text(&at, row->id),
                .group_id = put_text(&at, row->group_id),
                .deduplication_id = put_text(&at, row->deduplication_id),
                .delay_sec = row->delay_sec,
                .bytes = row->bytes,
                .attributes = put(&at, row->attributes, row->attributes_bytes),
                .attributes_bytes = row->attributes_bytes,
                .body = put(&at, row->body, row->body_bytes),
                .body_bytes = row->body_bytes}};
    r = unpack(m->row.attributes, m->row.attributes_bytes, table, &n);
    if (r < 0)
        return r;
    m->head = (struct source_message){.id = m->row.id,
                                      .spool_id = m->row.id,
                                      .message = {.body = m->row.body,
                                                  .body_bytes = m->row.body_bytes,
                                                  .group_id = m->row.group_id,
                                                  .deduplication_id = m->row.deduplication_id,
                                                  .delay_sec = m->row.delay_sec,
                                                  .attributes = table,
                                                  .n_attributes = n}};
    *ret = TAKE(m);
    return 0;
}

struct spool_message *spool_message_free(struct spool_message *m)
{
    if (m) {
        free(m->reason);
        free(m);
    }
    return NULL;
}
