/* SPDX-License-Identifier: MIT */
/* Reads SQS's error replies: which error it is (aws/error.h), from __type and from
 * x-amzn-query-error, and what else the reply says. */
#pragma once

#include "aws/error.h"

/* Names of our own, for errors that did not come in a reply of SQS's. They have no code. */
#define SQS_ERROR_NO_CREDENTIALS "NoCredentials"         /* no provider is set up */
#define SQS_ERROR_NO_CREDENTIALS_YET "NoCredentialsYet"  /* none yet, but one may answer soon */
#define SQS_ERROR_CREDENTIALS_FAILED "CredentialsFailed" /* the provider that is set up has none */
#define SQS_ERROR_CREDENTIALS_UNREACHABLE "CredentialsUnreachable" /* they may be found later */
#define SQS_ERROR_CREDENTIALS_SHORTAGE                                                             \
    "CredentialsShortage" /* this machine is short of memory or another resource */
/* A proxy or a portal answered instead of STS (first name), or instead of a metadata service or a
 * container's endpoint (second name). */
#define SQS_ERROR_CREDENTIALS_INTERCEPTED "CredentialsIntercepted"
#define SQS_ERROR_METADATA_INTERCEPTED "MetadataIntercepted"
#define SQS_ERROR_NETWORK "NetworkFailure"         /* not connected, cut off, timed out */
#define SQS_ERROR_CONNECT_TIMEOUT "ConnectTimeout" /* name, connection or handshake took too long */
#define SQS_ERROR_STALLED "Stalled"                /* the connected request took too long */
#define SQS_ERROR_TLS "TLSFailure"                 /* the peer's certificate is refused */
#define SQS_ERROR_NOT_FROM_SQS "NotOfSQS"   /* a portal, a proxy or a gateway answered instead */
#define SQS_ERROR_TOO_EARLY "EmptyTooEarly" /* an empty receive, long before its wait was over */

/* How far a request had come when it took too long. */
enum sqs_stall {
    SQS_STALL_NONE,
    SQS_STALL_SEND,    /* a part of it was not sent yet */
    SQS_STALL_WAIT,    /* all of it was sent, and no reply came */
    SQS_STALL_RECEIVE, /* a part of the reply had come */
};

struct sqs_error {
    enum aws_error_class class;
    char name[96];      /* for an error in the table (aws/error.h) the shape's name there,
                           "QueueDoesNotExist"; else the name in the reply; "" if it has none */
    char code[96];      /* the code to show: from x-amzn-query-error if it came, else the name; ""
                           if the name is one of our own */
    char message[2048]; /* the first line of AWS's text, UTF-8, cut at 511 bytes; may be "". Our own
                           texts may be longer: they list the places searched for credentials. */
    int http_status;    /* 0: no reply at all */
    enum sqs_stall stall;
    bool was_not_sent;         /* nothing of the request was sent: it cannot have taken effect */
    bool was_repeated;         /* it was sent more than once; only the last time got a reply */
    uint64_t retry_after_usec; /* from x-amz-retry-after; USEC_INFINITY: not given */
    bool is_wrong_region;      /* the signature was made for another region than the server's */
};

/* Reads an error reply of any form: JSON with "__type" (and "message" or "Message") or "code", the
 * header X-Amzn-Errortype, the HTML of a load balancer, or an empty body. A known code decides
 * before the status. A header that is absent is NULL. The body may be any bytes. Always fills *ret.
 */
void sqs_error_parse(int http_status, const char *query_error, const char *error_type,
                     const char *retry_after, const char *body, size_t body_bytes,
                     struct sqs_error *ret);

/* The credentials do not allow the action on the queue. */
bool sqs_error_is_denial(const struct sqs_error *error);

/* No credentials are configured in any of the places that were searched. The error's text is the
 * list of these places. */
bool sqs_error_is_without_credentials(const struct sqs_error *error);

/* The receipt handle is no longer valid, because its visibility timeout has ended or the message
 * was deleted. `code` is the error's code under either name, of a whole request or of an entry of a
 * batch; `text` is AWS's text for it. */
bool sqs_error_is_lease_lost(const char *code, const char *text);

/* Whether the request may have taken effect in spite of the error. */
bool sqs_error_is_outcome_unknown(const struct sqs_error *error);

/* Whether a permanent error is not this request's fault, but the queue, its key, a permission or
 * the endpoint must be repaired: a missing or just deleted queue, a denied action, a KMS key, a
 * service that does not know the operation. */
bool sqs_error_is_about_setup(const struct sqs_error *error);

/* Fills an error of our own: `name` is one of our names, or "". */
void sqs_error_set(struct sqs_error *ret, enum aws_error_class class, const char *name,
                   const char *text);

/* Replaces the name that AWS gave it by one of ours, and removes the code. */
void sqs_error_set_name(struct sqs_error *error, const char *name);
