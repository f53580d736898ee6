/* SPDX-License-Identifier: MIT */
/* The ARN of a queue: "arn:aws:sqs:REGION:ACCOUNT:NAME". */
#pragma once

#include "util/macro.h"

enum {
    REGION_SIZE = 64, /* with its NUL; none of AWS's is half as long */
    QUEUE_ARN_SIZE = 256,
};

/* Writes one. NULL for a region: "eu-west-1". */
void queue_arn_format(char ret[QUEUE_ARN_SIZE], const char *region, const char *account,
                      const char *name);

/* One taken apart; the pointers are into its text. */
struct queue_arn {
    const char *region, *account, *name;
    size_t region_bytes, account_bytes;
};

/* 0; QUEUE_ARN_E_FORM where the text is no ARN; QUEUE_ARN_E_SERVICE where it is one of another
 * service. */
enum { QUEUE_ARN_E_FORM = 1, QUEUE_ARN_E_SERVICE = 2 };
int queue_arn_parse(const char *text, struct queue_arn *ret);

bool queue_arn_is_in_region(const struct queue_arn *arn, const char *region);
bool queue_arn_is_of_account(const struct queue_arn *arn, const char *account);
