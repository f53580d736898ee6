/* SPDX-License-Identifier: MIT */
/* Messages as plain values, and SQS's limits (Amazon SQS Developer Guide, "Message quotas"). */
#pragma once

#include "util/macro.h"

enum {
    SQS_BATCH_MAX = 10,
    SQS_ATTRIBUTES_MAX = 10,
    SQS_MESSAGE_MAX_BYTES = 1048576, /* body and attributes; a queue may allow less */
    SQS_BATCH_MAX_BYTES = 1048576,   /* all entries of a batch together */
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
    bool is_binary; /* data_type is "Binary", or begins with "Binary." */
};

/* A message to send. All pointers are borrowed. */
struct sqs_message {
    const char *body;
    size_t body_bytes;
    const char *group_id;         /* NULL: none */
    const char *deduplication_id; /* NULL: none */
    int delay_sec;                /* -1: the queue's delay */
    const struct sqs_attribute *attributes;
    size_t n_attributes;
};

/* A message received. The reply that contains it owns all pointers. A member that SQS did not send
 * is NULL. */
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
    uint64_t first_received_msec; /* since the epoch; 0: not given */
    unsigned receive_count;       /* ApproximateReceiveCount; 0: not given */
    struct sqs_attribute *attributes;
    size_t n_attributes;
    bool attributes_unverified; /* their MD5 differs from the one in the reply */
};

/* The size that SQS counts for a message: its body, and each attribute's name, type and value. */
size_t sqs_message_bytes(const struct sqs_message *message);

/* Checks, before the message is sent, whether SQS would accept it:
 * - The body is not empty, is UTF-8, and has only the allowed characters
 *   (#x9 #xA #xD #x20-#xD7FF #xE000-#xFFFD #x10000-#x10FFFF).
 * - sqs_message_bytes is at most `max_bytes`.
 * - The ids have 1 to 128 of the allowed characters.
 * - The attributes follow SQS's rules.
 * - On a FIFO queue there is a group, and no delay of the message's own.
 * 0, -ENOMEM, or SQS_MESSAGE_E_INVALID: then *error is a line that names the field and the fault,
 * but never quotes the body; the caller frees it. */
enum { SQS_MESSAGE_E_INVALID = 1 };
int sqs_message_check(const struct sqs_message *message, bool is_fifo, size_t max_bytes,
                      char **error);

enum { SQS_MD5_SIZE = 33 };

/* The MD5 of a body, or of attributes in SQS's encoding (sorted by name), in lower-case hex. 0,
 * -ENOMEM, or SQS_MD5_E_UNAVAILABLE if OpenSSL has no MD5 (FIPS): then the caller skips the check.
 */
enum { SQS_MD5_E_UNAVAILABLE = 1 };
int sqs_md5_body(const char *body, size_t body_bytes, char ret[SQS_MD5_SIZE]);
int sqs_md5_attributes(const struct sqs_attribute *attributes, size_t n, char ret[SQS_MD5_SIZE]);
