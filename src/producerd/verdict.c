/* SPDX-License-Identifier: MIT */
/* A message is rejected only when SQS has refused that very message: by its entry in a batch's
 * reply, or by refusing a request that carried nothing else. Every fault that may pass, or that a
 * person can repair, leads to a retry. The error code counts before SenderFault, because SQS
 * reports throttling as the sender's fault, too. */
#include "producerd/verdict.h"

#include <stdio.h>

static void verdict_of_error(const struct sqs_error *error, size_t n, struct verdict *ret)
{
    /* A permanent error without an HTTP status comes from this machine and tells nothing about the
     * message. Status 401 and 403 concern the account, whatever the code (OptInRequired,
     * NotAuthorized). */
    bool is_no = error->class == AWS_ERROR_PERMANENT && error->http_status > 0 &&
                 error->http_status != 401 && error->http_status != 403 &&
                 !sqs_error_is_about_setup(error);

    *ret = (struct verdict){
        .kind = !is_no  ? VERDICT_RETRY
                : n > 1 ? VERDICT_SPLIT
                        : VERDICT_REJECTED,
        .backoff = aws_error_backoff(error->class),
        .is_unknown = sqs_error_is_outcome_unknown(error),
        .name = error->name,
        .code = error->code,
        .text = error->message,
    };
}

static void verdict_of_entry(const struct sqs_entry_result *entry, struct verdict *ret)
{
    struct sqs_error error = {
        .class = aws_error_class_of_code(entry->code, entry->sender_fault),
        .http_status = 200,
    };

    snprintf(error.name, sizeof(error.name), "%s", aws_error_canonical_name(entry->code));
    verdict_of_error(&error, 1, ret);
    ret->name = aws_error_canonical_name(entry->code);
    ret->code = entry->code;
    ret->text = entry->message;
}

void verdict_of(const struct sqs_result *result, size_t n, size_t i, struct verdict *ret)
{
    const struct sqs_reply *reply = result->reply;

    if (!reply)
        verdict_of_error(result->error, n, ret);
    else if (reply->operation != SQS_SEND_MESSAGE_BATCH)
        *ret = (struct verdict){.kind = VERDICT_SENT,
                                .message_id = reply->message_id,
                                .sequence_number = reply->sequence_number};
    else if (reply->entries[i].ok)
        *ret = (struct verdict){.kind = VERDICT_SENT,
                                .message_id = reply->entries[i].message_id,
                                .sequence_number = reply->entries[i].sequence_number};
    else
        verdict_of_entry(&reply->entries[i], ret);
}
