/* SPDX-License-Identifier: MIT */
#include "queue-arn.h"

#include <stdio.h>

static const char *partition_of(const char *region)
{
    if (strncmp(region, "cn-", 3) == 0)
        return "aws-cn";
    return strncmp(region, "us-gov-", 7) == 0 ? "aws-us-gov" : "aws";
}

void queue_arn_format(char ret[QUEUE_ARN_SIZE], const char *region, const char *account,
                      const char *name)
{
    if (!region)
        region = "eu-west-1";
    snprintf(ret, QUEUE_ARN_SIZE, "arn:%s:sqs:%.*s:%s:%s", partition_of(region), REGION_SIZE,
             region, account, name);
}

int queue_arn_parse(const char *text, struct queue_arn *ret)
{
    const char *parts[6] = {text};

    for (size_t i = 1; i < ARRAY_SIZE(parts); i++) {
        const char *colon = strchr(parts[i - 1], ':');

        if (!colon)
            return QUEUE_ARN_E_FORM;
        parts[i] = colon + 1;
    }
    if (strncmp(text, "arn:", 4) != 0 || !is_set(parts[5]))
        return QUEUE_ARN_E_FORM;
    if (strncmp(parts[2], "sqs:", 4) != 0)
        return QUEUE_ARN_E_SERVICE;
    *ret = (struct queue_arn){
        .region = parts[3],
        .region_bytes = (size_t)(parts[4] - parts[3]) - 1,
        .account = parts[4],
        .account_bytes = (size_t)(parts[5] - parts[4]) - 1,
        .name = parts[5],
    };
    return 0;
}

static bool same(const char *text, const char *part, size_t bytes)
{
    return strlen(text) == bytes && strncmp(text, part, bytes) == 0;
}

bool queue_arn_is_in_region(const struct queue_arn *arn, const char *region)
{
    return same(region, arn->region, arn->region_bytes);
}

bool queue_arn_is_of_account(const struct queue_arn *arn, const char *account)
{
    return same(account, arn->account, arn->account_bytes);
}
