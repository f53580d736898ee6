/* SPDX-License-Identifier: MIT */
/* A row of the spool's file as it is read back. What is on disk is trusted no more than what came
 * over the socket: disks and memory change bits, and people edit files. */
#pragma once

#include "producerd/spool/message.h"
#include "util/database.h"

/* The columns that spool_row_read expects, in this order. */
enum spool_column {
    SPOOL_COLUMN_NUMBER,
    SPOOL_COLUMN_ID,
    SPOOL_COLUMN_GROUP_ID,
    SPOOL_COLUMN_DEDUPLICATION_ID,
    SPOOL_COLUMN_DELAY_SEC,
    SPOOL_COLUMN_BYTES,
    SPOOL_COLUMN_ATTRIBUTES,
    SPOOL_COLUMN_BODY,
    SPOOL_COLUMN_CHECKSUM, /* NULL where an earlier version wrote it */
    SPOOL_COLUMN_SINCE_USEC,
};

/* The numbers of rows are 1 to this: so the next one is always a number, too. */
#define SPOOL_NUMBER_MAX (INT64_MAX / 2)

/* A number of bytes as a row has it, made one that can be. */
#define SPOOL_SQL_BYTES "min(max(bytes, 0), 1048576)"

/* Of all columns but the number, since that changes. */
uint64_t spool_row_checksum(const struct spool_row *row);

/* The row's id, or "?" where it is none that could be shown. */
const char *spool_row_id(struct statement *row);

/* Why no message can have the row's group, or none on such a queue; NULL: one can. */
const char *spool_row_group_fault(struct statement *row, bool is_fifo);

/* The message of the row that the statement stands at. 0, -ENOMEM, or SPOOL_ROW_E_DAMAGED with
 * *fault the reason, a constant. The group was looked at before. What SQS would not take, such as a
 * character in the body, is not looked for here: who sends the message does that. */
enum { SPOOL_ROW_E_DAMAGED = 1 };
int spool_row_read(struct statement *row, struct spool_message **ret, const char **fault);
