/* SPDX-License-Identifier: MIT */
/* What the tests of errors share: an error reply, read. */
#pragma once

#include "sqs/error.h"
#include "test.h"

static inline struct sqs_error parse(int http_status, const char *query_error,
                                     const char *error_type, const char *body)
{
    struct sqs_error error;

    memset(&error, 0x5a, sizeof(error));
    sqs_error_parse(http_status, query_error, error_type, NULL, body, body ? strlen(body) : 0,
                    &error);
    return error;
}
