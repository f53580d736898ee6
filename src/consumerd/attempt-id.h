/* SPDX-License-Identifier: MIT */
/* What an error of SQS says about the ReceiveRequestAttemptId of a receive. Pure. */
#pragma once

#include "sqs/error.h"

/* Whether an attempt id is of no use after this error. SQS remembers the messages that it gave to a
 * request whose reply was lost. It remembers nothing of a request that it answered with an error,
 * and may refuse the id of a throttled one. Errors about credentials or the clock come before SQS
 * looks at the id. */
static inline bool attempt_id_is_spent(const struct sqs_error *error)
{
    return error->class == AWS_ERROR_THROTTLED || error->class == AWS_ERROR_PERMANENT ||
           streq(error->name, SQS_ERROR_TOO_EARLY);
}

/* Whether SQS accepts this attempt id no longer. */
static inline bool attempt_id_is_refused(const struct sqs_error *error)
{
    return strstr(error->message, "receiveRequestAttemptId") &&
           (strstr(error->message, "not valid anymore") || strstr(error->message, "not retryable"));
}
