/* SPDX-License-Identifier: MIT */
#include "consumerd/rejection.h"

#include "consumerd/handler/handler.h"
#include "daemon/message-ids.h"
#include "util/encode.h"

enum { SHOWN_BODY_MAX_BYTES = 4096 }; /* in the line */

int rejection_log(struct message *message, log_written_fn written)
{
    CLEANUP(buffer_done) struct buffer body = BUFFER_INIT(8 * SHOWN_BODY_MAX_BYTES);
    const struct sqs_received_message *received = message->received;
    const struct log_completion completion = {
        .written = written,
        .userdata = message,
        .needs_fields = received->body_bytes > SHOWN_BODY_MAX_BYTES,
    };

    if (escape_for_log(&body, received->body, received->body_bytes, SHOWN_BODY_MAX_BYTES) < 0)
        return body.error;
    return log_write_message(&completion, &message->receipt, LOG_ERR, MESSAGE_ID_HANDLER_REJECTED,
                             LOG_FIELDS(MESSAGE_FIELDS(received), {"SQS_BODY", received->body}),
                             "Message %s is rejected and will be deleted: %s", received->message_id,
                             buffer_string(&body));
}
