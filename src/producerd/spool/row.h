/* SPDX-License-Identifier: MIT */
/* Reads rows of the spool's file, and checks them. The disk is trusted no more than a socket: disks
 * and memory flip bits, and people edit files. */
#pragma once

#include "producerd/spool/message.h"
#include "util/database.h"

/* The columns of a statement for spool_row_read, in this order. */
enum spool_column {
    SPOOL_COLUMN_NUMBER,
    SPOOL_COLUMN_ID,
    SPOOL_COLUMN_GROUP_ID,
    SPOOL_COLUMN_DEDUPLICATION_ID,
    SPOOL_COLUMN_DELAY_SEC,
    SPOOL_COLUMN_BYTES,
    SPOOL_COLUMN_ATTRIBUTES,
    SPOOL_COLUMN_BODY,
    SPOOL_COLUMN_CHECKSUM, /* NULL in rows that an earlier version wrote */
    SPOOL_COLUMN_SINCE_USEC,
};

/* Rows are numbered from 1 to this. The next number then always fits. */
#define SPOOL_NUMBER_MAX (INT64_MAX / 2)

/* The column bytes, limited to the valid range. */
#define SPOOL_SQL_BYTES "min(max(bytes, 0), 1048576)"

/* The checksum of all columns except the number, which may change. */
uint64_t spool_row_checksum(const struct spool_row *row);

/* Returns the row's id, or "?" when it is not a valid id. */
const char *spool_row_id(struct statement *row);

/* Returns what is wrong with the row's group, or NULL. On a FIFO queue a group is required. */
const char *spool_row_group_fault(struct statement *row, bool is_fifo);

/* Makes the message of the row at which the statement stands. Returns 0, -ENOMEM, or
 * SPOOL_ROW_E_DAMAGED with *fault the reason, a constant. The caller has checked the group. Content
 * that SQS would not accept, such as a character of the body, is not checked here: the producer
 * checks it before it sends. */
enum { SPOOL_ROW_E_DAMAGED = 1 };
int spool_row_read(struct statement *row, struct spool_message **ret, const char **fault);
