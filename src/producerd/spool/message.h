/* SPDX-License-Identifier: MIT */
/* A message of the spool in memory, and the packed form in which its attributes are stored.
 * Pure. */
#pragma once

#include "producerd/spool/source-message.h"
#include "util/buffer.h"
#include "util/list.h"

/* A message as a row stores it. All texts are borrowed. */
struct spool_row {
    const char *id;
    const char *group_id;         /* NULL: none */
    const char *deduplication_id; /* NULL: none */
    int delay_sec;                /* -1: the queue's delay */
    size_t bytes;                 /* as sqs_message_bytes */
    const void *attributes;       /* packed (spool_attributes_pack) */
    size_t attributes_bytes;
    const char *body;
    size_t body_bytes;
};

struct spool_message {
    struct source_message head; /* its texts lie in this block of memory */
    uint64_t number;            /* of its row; 0: no row yet */
    struct spool_row row;       /* the same message in the form of a row */

    /* the spool's */
    struct list link; /* in one of its lists */
    bool is_marked;   /* it has a row in the table `sending` */
    char *reason;     /* of a rejected message; may be NULL */
    bool is_rejected;
    uint64_t settled_usec;
};

/* Makes a message with copies of all texts. Returns 0, -ENOMEM, or -EUCLEAN when the packed
 * attributes are damaged. */
int spool_message_new(const struct spool_row *row, struct spool_message **ret);
struct spool_message *spool_message_free(struct spool_message *message);
DEFINE_CLEANUP(struct spool_message *, spool_message_free)

/* Appends the packed form of the attributes: for each attribute its name and its data type, both
 * with a NUL, the size of the value as four bytes in little-endian order, and the value. Returns 0,
 * -ENOMEM or -E2BIG. */
int spool_attributes_pack(const struct sqs_attribute *attributes, size_t n, struct buffer *b);
