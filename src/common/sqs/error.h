/* SPDX-License-Identifier: MIT */
/* What a failed reply of SQS means: which error it is (aws/error.h), by __type and by
 * x-amzn-query-error, and what else it tells. */
#pragma once

#include "aws/error.h"

/* Names of our own, for what no reply of SQS's has told. They come without a code. */
#define SQS_ERROR_NO_CREDENTIALS "NoCredentials"         /* no place is set up */
#define SQS_ERROR_NO_CREDENTIALS_YET "NoCredentialsYet"  /* nor yet, but one may come up */
#define SQS_ERROR_CREDENTIALS_FAILED "CredentialsFailed" /* the place that is set up has none */
#define SQS_ERROR_CREDENTIALS_UNREACHABLE "CredentialsUnreachable" /* they may be found later */
#define SQS_ERROR_CREDENTIALS_SHORTAGE                                                             \
    "CredentialsShortage" /* this machine lacks memory, or such */
/* a proxy or a portal answered in the place of STS, or of a metadata service or a container's */
#define SQS_ERROR_CREDENTIALS_INTERCEPTED "CredentialsIntercepted"
#define SQS_ERROR_METADATA_INTERCEPTED "MetadataIntercepted"
#define SQS_ERROR_NETWORK "NetworkFailure"         /* not connected, cut off, timed out */
#define SQS_ERROR_CONNECT_TIMEOUT "ConnectTimeout" /* no name, connection or handshake in time */
#define SQS_ERROR_STALLED "Stalled"                /* connected, and then it took too long */
#define SQS_ERROR_TLS "TLSFailure"                 /* the peer's certificate */
#define SQS_ERROR_NOT_FROM_SQS "NotOfSQS"   /* a portal, a proxy, a gateway answered in its place */
#define SQS_ERROR_TOO_EARLY "EmptyTooEarly" /* an empty receive, long before its wait was over */

/* How far a request had come that took too long. */
enum sqs_stall {
    SQS_STALL_NONE,
    SQS_STALL_SEND,    /* some of it had not been sent */
    SQS_STALL_WAIT,    /* all was sent, and nothing came */
    SQS_STALL_RECEIVE, /* the reply had begun to come */
};

struct sqs_error {
    enum aws_error_class class;
    char name[96];      /* the shape's name in the table's spelling, "QueueDoesNotExist", whichever
                           name came; for an error not in the table the name that came; "" if none */
    char code[96];      /* the code to show: x-amzn-query-error's where it came, else the name; ""
                           where the name is one of our own */
    char message[2048]; /* AWS's text, the first line of it, UTF-8, cut at 511 bytes; may be "". The
                           longest are our own, of what was looked at for credentials. */
    int http_status;    /* 0: no reply at all */
    enum sqs_stall stall;
    bool was_not_sent;         /* nothing of the request went out: it cannot have taken effect */
    bool was_repeated;         /* it had gone out before, and no reply came to that */
    uint64_t retry_after_usec; /* from x-amz-retry-after; USEC_INFINITY: not given */
    bool is_wrong_scope;       /* the signature was made for another region than the server's */
    bool has_server_time;
    time_t server_time; /* what the server's clock said, for AWS_ERROR_CLOCK: from the error's text
                           where it holds one; the Date header is the caller's to read */
};

/* Reads an error reply of any form: JSON with "__type" (and "message" or "Message"), "code",
 * X-Amzn-Errortype, or the HTML of a load balancer, or nothing at all. The code is looked at before
 * the status. Header values are NULL where the header is absent; the body need not be text. Always
 * fills *ret. */
void sqs_error_parse(int http_status, const char *query_error, const char *error_type,
                     const char *retry_after, const char *body, size_t body_bytes,
                     struct sqs_error *ret);

/* Whether the request may have taken effect all the same. */
bool sqs_error_is_outcome_unknown(const struct sqs_error *error);

/* Whether a permanent error says nothing against this request, but that the queue, its key, a
 * permission or the endpoint must be mended: a missing or just deleted queue, a denied action, a
 * KMS key, a service that does not know the operation. */
bool sqs_error_is_about_setup(const struct sqs_error *error);

/* An error of our own making: `name` is one of ours, or "". */
void sqs_error_set(struct sqs_error *ret, enum aws_error_class class, const char *name,
                   const char *text);

/* It has another name than AWS gave it: one of ours. */
void sqs_error_set_name(struct sqs_error *error, const char *name);
