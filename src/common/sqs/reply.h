/* SPDX-License-Identifier: MIT */
/* Reads the JSON of SQS's successful replies (HTTP 200), and checks each against its request.
 * Unknown members are ignored. A null member counts as absent. Sequence numbers stay text. */
#pragma once

#include "sqs/request.h"

enum {
    /* Ten messages of 1 MiB, with each byte escaped as \u00XX, and 1 MiB for the rest. */
    SQS_REPLY_MAX_BYTES = 10 * 6 * SQS_MESSAGE_MAX_BYTES + 1024 * 1024,
    SQS_REPLY_MAX_DEPTH = 16,
};

/* The result of one entry of a batch. */
struct sqs_entry_result {
    bool ok;
    bool sender_fault;           /* if not ok: the same entry will never succeed */
    const char *message_id;      /* of a message sent; else NULL */
    const char *sequence_number; /* of a message sent to a FIFO queue; else NULL */
    const char *code;            /* if not ok: AWS's error code; never NULL then */
    const char *message;         /* if not ok: AWS's text, or "" */
};

/* The attributes that the daemons use; others are not looked at. */
struct sqs_queue_attributes {
    bool is_known;                   /* the reply has attributes */
    unsigned visibility_timeout_sec; /* 30 if the reply does not give it */
    size_t maximum_message_bytes;    /* 1048576 if the reply does not give it */
    uint64_t visible_messages; /* ApproximateNumberOfMessages; UINT64_MAX if it is not given */
};

/* Reference-counted: code that keeps a message takes a reference to its reply. */
struct sqs_reply {
    unsigned references;
    size_t bytes; /* the size of its JSON, which it keeps */
    enum sqs_operation operation;
    const char *message_id;                /* SendMessage */
    const char *sequence_number;           /* SendMessage on FIFO; else NULL */
    struct sqs_received_message *messages; /* ReceiveMessage; at most 10 */
    size_t n_messages;
    struct sqs_entry_result entries[SQS_BATCH_MAX]; /* batches, in the request's order */
    size_t n_entries;
    struct sqs_queue_attributes attributes; /* GetQueueAttributes */
    void *storage;                          /* owns the memory behind the pointers above */
};

/* Reads a reply.
 *
 * A batch's Successful and Failed should name each entry of the request once. An entry that neither
 * of them names is reported as not ok, with code "NoResult" and without the sender's fault.
 *
 * A wrong MD5 has these effects. For a message sent in a batch, its entry is not ok, with code
 * "WrongMD5" and without the sender's fault. For a message sent alone, or for the body of a
 * received message, the reply is damaged. For the attributes of a received message, that message
 * is marked (attributes_unverified).
 *
 * 0, -ENOMEM, or SQS_REPLY_E_DAMAGED: not JSON, cut off, a missing member, an entry that was not in
 * the request or is named twice, a wrong MD5. Then *error is a line that says what is wrong; the
 * caller frees it. */
enum { SQS_REPLY_E_DAMAGED = 1 };
int sqs_reply_parse(const struct sqs_request *request, const char *body, size_t body_bytes,
                    struct sqs_reply **ret, char **error);

struct sqs_reply *sqs_reply_ref(struct sqs_reply *reply);
struct sqs_reply *sqs_reply_unref(struct sqs_reply *reply);
DEFINE_CLEANUP(struct sqs_reply *, sqs_reply_unref)
