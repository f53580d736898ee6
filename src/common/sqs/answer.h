/* SPDX-License-Identifier: MIT */
/* Turns what came back for a request, from SQS or from a proxy on the way, into SQS's reply or an
 * error. These functions are pure. */
#pragma once

#include "http/client.h"
#include "sqs/error.h"
#include "sqs/proof.h"

/* Headers of a reply. NULL: the header is absent. */
struct sqs_answer_headers {
    const char *request_id;  /* x-amzn-RequestId */
    const char *query_error; /* x-amzn-query-error */
    const char *error_type;  /* x-amzn-errortype */
    const char *retry_after; /* x-amz-retry-after */
};

/* No HTTP reply came: fills the error that says why. */
void sqs_answer_failed(const struct http_reply *reply, struct sqs_error *ret);

/* Reads the error from a reply with another status than 200. */
void sqs_answer_refused(const struct http_reply *reply, const struct sqs_answer_headers *headers,
                        struct sqs_error *ret);

/* Reads a reply with status 200. True: *ret is set, and the caller owns it. False: *ret_error is
 * set. */
bool sqs_answer_read(const struct sqs_request *request, const struct http_reply *reply,
                     const struct sqs_proof_facts *facts, struct sqs_reply **ret,
                     struct sqs_error *ret_error);
