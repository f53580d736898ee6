/* SPDX-License-Identifier: MIT */
/* What a person can do about a failure of a request. */
#pragma once

#include "sqs/error.h"
#include "sqs/request.h"

/* For the end of a line of the log, "check ..."; NULL: nothing that is known, or the error's text
 * says it. Static. */
const char *remedy_of(enum sqs_operation operation, const struct sqs_error *error);
