/* SPDX-License-Identifier: MIT */
/* Messages as plain values, and SQS's limits (Amazon SQS Developer Guide, "Message quotas"). */
#pragma once

#include "util/macro.h"

enum {
    SQS_BATCH_MAX = 10,
    SQS_ATTRIBUTES_MAX = 10,
    SQS_MESSAGE_MAX_BYTES = 1048576, /* body and attributes; a queue may allow less */
    SQS_BATCH_MAX_BYTES = 1048576,   /* all entries of a batch */
    SQS_ID_MAX_BYTES = 128,          /* group, deduplication and receive attempt ids */
    SQS_DELAY_MAX_SEC = 900,
    SQS_WAIT_MAX_SEC = 20,
    SQS_VISIBILITY_MAX_SEC = 43200,
};

struct sqs_attribute {
    const char *name;
    const char *data_type; /* String, Number or Binary, with an optional ".label" */
    const char *value;     /* Binary: the raw bytes, not base64 */
    size_t value_bytes;
    bool is_binary; /* data_type is Binary or Binary.label */
};

/* A message to send. All pointers are borrowed. */
struct sqs_message {
    const char *body;
    size_t body_bytes;
    const char *group_id;         /* NULL: none */
    const char *deduplication_id; /* NULL: none */
    int delay_sec;                /* -1: the queue's */
    const struct sqs_attribute *attributes;
    size_t n_attributes;
};

/* A message received. All pointers belong to the reply that brought it; NULL where SQS gave none. */
struct sqs_received_message {
    const char *message_id;
    const char *receipt_handle;
    const char *body;
    size_t body_bytes;
    const char *group_id;
    const char *deduplication_id;
    const char *sequence_number; /* decimal text of up to 128 bits */
    const char *sender_id;
    uint64_t sent_msec;           /* since the epoch; 0: not given */
    uint64_t first_received_msec; /* the same */
    unsigned receive_count;       /* ApproximateReceiveCount; 0: not given */
    struct sqs_attribute *attributes;
    size_t n_attributes;
    bool attributes_unverified; /* their MD5 is not the one that came with them */
};

/* The bytes that SQS counts for a message: body, and each attribute's name, type and value. */
size_t sqs_message_bytes(const struct sqs_message *message);

/* Whether SQS would take the message, before it is sent: body not empty, UTF-8 and of the allowed
 * characters (#x9 #xA #xD #x20-#xD7FF #xE000-#xFFFD #x10000-#x10FFFF), at most `max_bytes` in all,
 * ids of 1 to 128 of the allowed characters, attributes by their rules, on FIFO a group and no
 * delay of its own.
 * 0, -ENOMEM, or SQS_MESSAGE_E_INVALID with *error a line naming the field and the fault, never the
 * body; the caller frees it. */
enum { SQS_MESSAGE_E_INVALID = 1 };
int sqs_message_check(const struct sqs_message *message, bool is_fifo, size_t max_bytes,
                      char **error);

enum { SQS_MD5_SIZE = 33 };

/* Lower-case hex MD5 of a body, or of attributes as SQS composes it (sorted by name). 0, -ENOMEM, or
 * SQS_MD5_E_UNAVAILABLE where OpenSSL has no MD5 (FIPS): then there is nothing to check. */
enum { SQS_MD5_E_UNAVAILABLE = 1 };
int sqs_md5_body(const char *body, size_t body_bytes, char ret[SQS_MD5_SIZE]);
int sqs_md5_attributes(const struct sqs_attribute *attributes, size_t n, char ret[SQS_MD5_SIZE]);
