/* SPDX-License-Identifier: MIT */
/* A message of the spool in memory, in one piece, and its attributes as the bytes that are kept on
 * disk. Pure. */
#pragma once

#include "producerd/source-message.h"
#include "util/buffer.h"

/* What the spool's rows hold of a message. All is borrowed. */
struct spool_row {
    const char *id;
    const char *group_id;         /* NULL: none */
    const char *deduplication_id; /* NULL: none */
    int delay_sec;                /* -1: the queue's */
    size_t bytes;                 /* as sqs_message_bytes */
    const void *attributes;       /* packed */
    size_t attributes_bytes;
    const char *body;
    size_t body_bytes;
};

struct spool_message {
    struct source_message head; /* its texts are the message's own */
    uint64_t number;            /* 0: it has no row yet */
    struct spool_row row;       /* the same as the head, to be written */

    /* the spool's */
    struct spool_message *previous, *next;
    bool is_marked; /* as one that is or was being sent */
    char *reason;   /* why it is rejected */
    bool is_rejected;
    uint64_t settled_usec;
};

/* Copies it all. 0, -ENOMEM, or -EUCLEAN where the packed attributes are none. */
int spool_message_new(const struct spool_row *row, struct spool_message **ret);
struct spool_message *spool_message_free(struct spool_message *message);
DEFINE_CLEANUP(struct spool_message *, spool_message_free)

/* Appends the packed form, nothing for no attributes: of each, its name and its data type, both
 * ended by NUL, the number of bytes of its value as four bytes, the lowest first, and the value. 0,
 * -ENOMEM or -E2BIG. */
int spool_attributes_pack(const struct sqs_attribute *attributes, size_t n, struct buffer *b);
