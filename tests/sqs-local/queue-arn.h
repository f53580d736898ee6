/* SPDX-License-Identifier: MIT */
/* The ARN of a queue: "arn:aws:sqs:REGION:ACCOUNT:NAME". */
#pragma once

#include "util/macro.h"

enum {
    REGION_SIZE = 64, /* with NUL; AWS's regions are less than half as long */
    QUEUE_ARN_SIZE = 256,
};

/* Writes the ARN of a queue. If `region` is NULL, it is "eu-west-1". */
void queue_arn_format(char ret[QUEUE_ARN_SIZE], const char *region, const char *account,
                      const char *name);

/* The parts of an ARN. The pointers point into its text. */
struct queue_arn {
    const char *region, *account, *name;
    size_t region_bytes, account_bytes;
};

/* Returns 0; QUEUE_ARN_E_FORM if the text is not an ARN; or QUEUE_ARN_E_SERVICE if it is the ARN of
 * another service. */
enum { QUEUE_ARN_E_FORM = 1, QUEUE_ARN_E_SERVICE = 2 };
int queue_arn_parse(const char *text, struct queue_arn *ret);

bool queue_arn_is_in_region(const struct queue_arn *arn, const char *region);
bool queue_arn_is_of_account(const struct queue_arn *arn, const char *account);
