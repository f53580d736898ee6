/* SPDX-License-Identifier: MIT */
/* What the answer to a request means, whoever gave it: SQS's reply, or the error that stands for
 * what came instead. Pure. */
#pragma once

#include "http/client.h"
#include "sqs/error.h"
#include "sqs/proof.h"

/* Of a reply; NULL: it is absent. */
struct sqs_answer_headers {
    const char *request_id;  /* x-amzn-RequestId */
    const char *query_error; /* x-amzn-query-error */
    const char *error_type;  /* x-amzn-errortype */
    const char *retry_after; /* x-amz-retry-after */
};

/* No reply came: why. */
void sqs_answer_failed(const struct http_reply *reply, struct sqs_error *ret);

/* A reply with another status than 200. */
void sqs_answer_refused(const struct http_reply *reply, const struct sqs_answer_headers *headers,
                        struct sqs_error *ret);

/* A reply with status 200: true with the reply, which is the caller's, or false with the error. */
bool sqs_answer_read(const struct sqs_request *request, const struct http_reply *reply,
                     const struct sqs_proof_facts *facts, struct sqs_reply **ret,
                     struct sqs_error *ret_error);
