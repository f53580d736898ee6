/* SPDX-License-Identifier: MIT */
/* Writes the JSON bodies of SQS's operations, AWS JSON 1.0 (Amazon SQS API Reference). A request
 * keeps what its reply is checked against: the MD5s of the messages, and the number of entries. */
#pragma once

#include "sqs/message.h"
#include "util/buffer.h"

enum sqs_operation {
    SQS_SEND_MESSAGE,
    SQS_SEND_MESSAGE_BATCH,
    SQS_RECEIVE_MESSAGE,
    SQS_DELETE_MESSAGE,
    SQS_DELETE_MESSAGE_BATCH,
    SQS_CHANGE_MESSAGE_VISIBILITY,
    SQS_CHANGE_MESSAGE_VISIBILITY_BATCH,
    SQS_GET_QUEUE_ATTRIBUTES,
    SQS_N_OPERATIONS,
};

/* "SendMessage". */
const char *sqs_operation_name(enum sqs_operation operation);

/* For a batch operation, the same operation for a single message; for others, `operation`. */
enum sqs_operation sqs_operation_single(enum sqs_operation operation);

enum {
    /* A batch of 1 MiB with each byte escaped as \u00XX, and 256 KiB for the rest. */
    SQS_REQUEST_MAX_BYTES = 6 * SQS_BATCH_MAX_BYTES + 256 * 1024,
};

struct sqs_request {
    enum sqs_operation operation;
    struct buffer json; /* the request's body */
    size_t n_entries;   /* of a batch; 1 for SendMessage; else 0 */
    bool has_md5;       /* the two arrays below are filled */
    char md5_of_body[SQS_BATCH_MAX][SQS_MD5_SIZE];
    char md5_of_attributes[SQS_BATCH_MAX][SQS_MD5_SIZE]; /* "" if a message has no attributes */
};

struct sqs_receive {
    unsigned max_messages;  /* 1 to 10 */
    unsigned wait_sec;      /* 0 to 20 */
    int visibility_sec;     /* -1: the queue's visibility timeout */
    const char *attempt_id; /* ReceiveRequestAttemptId, FIFO only; NULL: none */
};

struct sqs_visibility_change {
    const char *receipt_handle;
    unsigned visibility_sec; /* 0 to 43200 */
};

/* Each function makes a request that the caller frees. A batch has 1 to 10 entries, which get the
 * ids "0", "1", ... in the given order. 0, -EINVAL (a bug of the caller: no entries or too many, a
 * number out of its range, text that is not UTF-8), -ENOMEM, or -E2BIG (above
 * SQS_REQUEST_MAX_BYTES). */
int sqs_request_send_message(const char *queue_url, const struct sqs_message *message,
                             struct sqs_request **ret);
int sqs_request_send_message_batch(const char *queue_url, const struct sqs_message *messages,
                                   size_t n, struct sqs_request **ret);
/* Asks for all system attributes and all message attributes. */
int sqs_request_receive_message(const char *queue_url, const struct sqs_receive *receive,
                                struct sqs_request **ret);
int sqs_request_delete_message(const char *queue_url, const char *receipt_handle,
                               struct sqs_request **ret);
int sqs_request_delete_message_batch(const char *queue_url, const char *const *receipt_handles,
                                     size_t n, struct sqs_request **ret);
int sqs_request_change_visibility(const char *queue_url, const struct sqs_visibility_change *change,
                                  struct sqs_request **ret);
int sqs_request_change_visibility_batch(const char *queue_url,
                                        const struct sqs_visibility_change *changes, size_t n,
                                        struct sqs_request **ret);
/* Asks for all attributes. */
int sqs_request_get_queue_attributes(const char *queue_url, struct sqs_request **ret);
/* Makes a malformed request, which cannot touch a message; its answer shows whether the operation
 * is allowed (sqs/permission.h). SendMessage: an empty batch. ReceiveMessage: one message more than
 * SQS allows. DeleteMessage and ChangeMessageVisibility: an invalid receipt handle. -EINVAL for
 * another operation than these four. */
int sqs_request_probe(enum sqs_operation operation, const char *queue_url,
                      struct sqs_request **ret);

struct sqs_request *sqs_request_free(struct sqs_request *request); /* wipes the body */
DEFINE_CLEANUP(struct sqs_request *, sqs_request_free)
