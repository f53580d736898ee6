/* SPDX-License-Identifier: MIT */
/* Makes the signed headers (aws/sigv4.h) of a request to SQS, for AWS JSON 1.0, as AWS's own
 * clients send them. */
#pragma once

#include "aws/credentials.h"
#include "aws/endpoint.h"
#include "sqs/request.h"

struct sqs_headers;

/* The endpoint is borrowed and must outlive it. 0, -ENOMEM, -EIO (OpenSSL). */
int sqs_headers_new(const struct endpoint *endpoint, struct sqs_headers **ret);
struct sqs_headers *sqs_headers_free(struct sqs_headers *headers); /* wipes them */
DEFINE_CLEANUP(struct sqs_headers *, sqs_headers_free)

/* `now`: AWS's time, in seconds since the epoch. `*ret` is a NULL-terminated list of lines
 * "Name: value", valid until the next call. 0; -ENOMEM; -EIO (OpenSSL); -EINVAL or -E2BIG: the
 * credentials or the endpoint cannot be signed or sent. */
int sqs_headers_make(struct sqs_headers *headers, const struct sqs_request *request,
                     const struct aws_credentials *credentials, time_t now,
                     const char *const **ret);
