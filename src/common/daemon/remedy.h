/* SPDX-License-Identifier: MIT */
/* What a person can do about a failed request. */
#pragma once

#include "sqs/error.h"
#include "sqs/request.h"

/* A text for the end of a log line, "check ...". NULL: no remedy is known, or the error's text says
 * it already. The text is static. */
const char *remedy_of(enum sqs_operation operation, const struct sqs_error *error);
