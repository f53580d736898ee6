/* SPDX-License-Identifier: MIT */
/* The JSON of SQS's successful replies (HTTP 200), read and checked against their request. Unknown
 * members are ignored, null counts as absent, numbers in text stay text. */
#pragma once

#include "sqs/request.h"

enum {
    /* Ten messages of 1 MiB, escaped at worst. */
    SQS_REPLY_MAX_BYTES = 10 * 6 * SQS_MESSAGE_MAX_BYTES + 1024 * 1024,
    SQS_REPLY_MAX_DEPTH = 16,
};

/* What became of one entry of a batch. */
struct sqs_entry_result {
    bool ok;
    bool sender_fault;           /* not ok: it will never succeed unchanged */
    const char *message_id;      /* of a message sent; else NULL */
    const char *sequence_number; /* the same, FIFO only */
    const char *code;            /* not ok: AWS's error code; never NULL then */
    const char *message;         /* not ok: AWS's text, or "" */
};

struct sqs_queue_attributes {
    bool is_told; /* the reply had attributes */
    bool is_fifo;
    bool content_based_deduplication;
    unsigned visibility_timeout_sec; /* 30 where it was not told */
    size_t maximum_message_bytes;    /* 1048576 where it was not told */
    unsigned receive_wait_sec;
    const char *redrive_policy; /* as text; NULL: none */
};

/* Reference-counted: whoever keeps a message takes a reference to its reply. */
struct sqs_reply {
    unsigned references;
    size_t bytes; /* of its JSON, which it keeps */
    enum sqs_operation operation;
    const char *message_id;                /* SendMessage */
    const char *sequence_number;           /* SendMessage on FIFO; else NULL */
    const char *queue_url;                 /* GetQueueUrl */
    struct sqs_received_message *messages; /* ReceiveMessage; at most 10 */
    size_t n_messages;
    struct sqs_entry_result entries[SQS_BATCH_MAX]; /* batches, in the request's order */
    size_t n_entries;
    struct sqs_queue_attributes attributes; /* GetQueueAttributes */
    void *storage;                          /* owns all that the pointers above point to */
};

/* Reads a reply. A batch's Successful and Failed must name each entry of the request once: entries
 * that neither names come back as not ok, code "NoResult", not the sender's fault.
 * A wrong MD5 of a message sent in a batch makes that entry not ok, code "WrongMD5", not the
 * sender's fault; the same for a lone message, or for a received one's body, makes the reply
 * damaged, and for a received one's attributes marks that message. 0; -ENOMEM; or
 * SQS_REPLY_E_DAMAGED with *error a line that says what is wrong with it: not JSON, cut off, a
 * missing member, an entry that was not asked for, a wrong MD5. The caller frees it. */
enum { SQS_REPLY_E_DAMAGED = 1 };
int sqs_reply_parse(const struct sqs_request *request, const char *body, size_t body_bytes,
                    struct sqs_reply **ret, char **error);

struct sqs_reply *sqs_reply_ref(struct sqs_reply *reply);
struct sqs_reply *sqs_reply_unref(struct sqs_reply *reply);
DEFINE_CLEANUP(struct sqs_reply *, sqs_reply_unref)
