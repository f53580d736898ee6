/* SPDX-License-Identifier: MIT */
/* The JSON bodies of SQS's operations, AWS JSON 1.0 (Amazon SQS API Reference). A request remembers
 * what its reply must match: the MD5s of what was sent, and how many entries. */
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
    SQS_GET_QUEUE_URL,
    SQS_N_OPERATIONS,
};

/* "SendMessage". */
const char *sqs_operation_name(enum sqs_operation operation);

/* The operation that does for one message what this one does for many; else itself. */
enum sqs_operation sqs_operation_single(enum sqs_operation operation);

enum {
    /* A batch of 1 MiB whose every byte is escaped as \u00XX, and room for the rest. */
    SQS_REQUEST_MAX_BYTES = 6 * SQS_BATCH_MAX_BYTES + 256 * 1024,
};

struct sqs_request {
    enum sqs_operation operation;
    struct buffer json; /* the request's body */
    size_t n_entries;   /* of a batch; 1 for SendMessage; else 0 */
    bool has_md5;       /* the two below are filled */
    char md5_of_body[SQS_BATCH_MAX][SQS_MD5_SIZE];
    char md5_of_attributes[SQS_BATCH_MAX][SQS_MD5_SIZE]; /* "" where a message has none */
};

struct sqs_receive {
    unsigned max_messages;  /* 1 to 10 */
    unsigned wait_sec;      /* 0 to 20 */
    int visibility_sec;     /* -1: the queue's */
    const char *attempt_id; /* ReceiveRequestAttemptId, FIFO only; NULL: none */
};

struct sqs_visibility_change {
    const char *receipt_handle;
    unsigned visibility_sec; /* 0 to 43200 */
};

/* Each makes a request that the caller frees. Batch entries get the ids "0", "1", ... in the order
 * given; 1 to 10 of them. 0, -EINVAL (a caller's bug: no entries or too many, a number out of its
 * range, text that is not UTF-8), -ENOMEM, -E2BIG. */
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
/* What cannot touch a message since it is malformed, to learn whether the operation is allowed: a
 * batch to send that is empty, a receive of one message too many, a receipt handle that is none.
 * -EINVAL for another operation than these four. */
int sqs_request_probe(enum sqs_operation operation, const char *queue_url,
                      struct sqs_request **ret);
/* `account` may be NULL: the caller's own. */
int sqs_request_get_queue_url(const char *queue_name, const char *account,
                              struct sqs_request **ret);

struct sqs_request *sqs_request_free(struct sqs_request *request); /* wipes the body */
DEFINE_CLEANUP(struct sqs_request *, sqs_request_free)
