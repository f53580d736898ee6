/* SPDX-License-Identifier: MIT */
/* The checksum finds changed bits; it does not protect against forgery. Each step (xor,
 * multiplication by an odd number, shift and xor) can be undone, so a change in one piece always
 * changes the sum. */
#include "producerd/spool/row.h"

#include <endian.h>
#include <errno.h>

static uint64_t mix(uint64_t sum, uint64_t piece)
{
    sum = (sum ^ piece) * UINT64_C(0x9e3779b97f4a7c15);
    return sum ^ sum >> 32;
}

static uint64_t mix_bytes(uint64_t sum, const void *bytes, size_t n)
{
    const char *at = bytes;
    uint64_t piece;

    sum = mix(sum, n);
    for (; n >= sizeof(piece); n -= sizeof(piece), at += sizeof(piece)) {
        memcpy(&piece, at, sizeof(piece));
        sum = mix(sum, le64toh(piece));
    }
    piece = 0;
    memcpy(&piece, at, n);
    return mix(sum, le64toh(piece));
}

static uint64_t mix_text(uint64_t sum, const char *text)
{
    return text ? mix_bytes(sum, text, strlen(text)) : mix(sum, UINT64_MAX);
}

uint64_t spool_row_checksum(const struct spool_row *row)
{
    uint64_t sum = mix_text(0, row->id);

    sum = mix_text(sum, row->group_id);
    sum = mix_text(sum, row->deduplication_id);
    sum = mix(sum, (uint64_t)row->delay_sec);
    sum = mix(sum, row->bytes);
    sum = mix_bytes(sum, row->attributes, row->attributes_bytes);
    return mix_bytes(sum, row->body, row->body_bytes);
}

/* Returns true when the column is a valid id: 1 to SQS_ID_MAX_BYTES printable ASCII characters. */
static bool is_id(struct statement *row, enum spool_column column)
{
    size_t bytes;
    const char *text = statement_text(row, column, &bytes);

    if (bytes == 0 || bytes > SQS_ID_MAX_BYTES)
        return false;
    for (size_t i = 0; i < bytes; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return true;
}

static bool is_id_or_null(struct statement *row, enum spool_column column)
{
    return statement_is_null(row, column) || is_id(row, column);
}

const char *spool_row_id(struct statement *row)
{
    return is_id(row, SPOOL_COLUMN_ID) ? statement_text(row, SPOOL_COLUMN_ID, NULL) : "?";
}

const char *spool_row_group_fault(struct statement *row, bool is_fifo)
{
    if (!is_id_or_null(row, SPOOL_COLUMN_GROUP_ID))
        return "the row is damaged: its group is not valid";
    if (is_fifo && statement_is_null(row, SPOOL_COLUMN_GROUP_ID))
        return "the row is damaged: it has no group, but the queue is a FIFO queue";
    return NULL;
}

static const char *text_or_null(struct statement *row, enum spool_column column)
{
    return statement_is_null(row, column) ? NULL : statement_text(row, column, NULL);
}

static const char *field_fault(struct statement *row)
{
    int64_t delay_sec = statement_int(row, SPOOL_COLUMN_DELAY_SEC);

    if (!is_id(row, SPOOL_COLUMN_ID))
        return "the row is damaged: its id is not valid";
    if (!is_id_or_null(row, SPOOL_COLUMN_DEDUPLICATION_ID))
        return "the row is damaged: its deduplication id is not valid";
    if (delay_sec < -1 || delay_sec > SQS_DELAY_MAX_SEC)
        return "the row is damaged: its delay is not valid";
    return NULL;
}

static const char *message_fault(struct statement *row, const struct spool_message *m)
{
    if (m->row.bytes != sqs_message_bytes(&m->head.message) || m->row.bytes > SQS_MESSAGE_MAX_BYTES)
        return "the row is damaged: its size does not match";
    if (!statement_is_null(row, SPOOL_COLUMN_CHECKSUM) &&
        (uint64_t)statement_int(row, SPOOL_COLUMN_CHECKSUM) != spool_row_checksum(&m->row))
        return "the row is damaged: its checksum does not match";
    return NULL;
}

int spool_row_read(struct statement *row, struct spool_message **ret, const char **fault)
{
    CLEANUP(spool_message_free) struct spool_message *m = NULL;
    struct spool_row fields = {};
    int64_t since_usec = statement_int(row, SPOOL_COLUMN_SINCE_USEC);
    int r;

    *fault = field_fault(row);
    if (*fault)
        return SPOOL_ROW_E_DAMAGED;
    fields.id = statement_text(row, SPOOL_COLUMN_ID, NULL);
    fields.group_id = text_or_null(row, SPOOL_COLUMN_GROUP_ID);
    fields.deduplication_id = text_or_null(row, SPOOL_COLUMN_DEDUPLICATION_ID);
    fields.delay_sec = (int)statement_int(row, SPOOL_COLUMN_DELAY_SEC);
    fields.bytes = (size_t)statement_int(row, SPOOL_COLUMN_BYTES);
    fields.attributes = statement_blob(row, SPOOL_COLUMN_ATTRIBUTES, &fields.attributes_bytes);
    fields.body = statement_text(row, SPOOL_COLUMN_BODY, &fields.body_bytes);
    r = spool_message_new(&fields, &m);
    if (r == -ENOMEM)
        return r;
    *fault = r < 0 ? "the row is damaged: its attributes cannot be read" : message_fault(row, m);
    if (*fault)
        return SPOOL_ROW_E_DAMAGED;
    m->number = (uint64_t)statement_int(row, SPOOL_COLUMN_NUMBER);
    m->is_marked = !statement_is_null(row, SPOOL_COLUMN_SINCE_USEC);
    m->head.in_doubt_since_usec = m->is_marked ? (uint64_t)MAX(since_usec, INT64_C(1)) : 0;
    *ret = TAKE(m);
    return 0;
}
