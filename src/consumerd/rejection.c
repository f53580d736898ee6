/* SPDX-License-Identifier: MIT */
#include "consumerd/rejection.h"

#include "consumerd/handler/handler.h"
#include "daemon/message-ids.h"
#include "util/encode.h"

enum {
    SHOWN_BODY_MAX_BYTES = 4096, /* in the line; more bytes when they are escaped */
    OTHER_TEXT_MAX_BYTES = 64,   /* in the line, beside the body and the message's id */
};

static bool fits_in_line(const struct sqs_received_message *received, size_t escaped_bytes)
{
    return received->body_bytes <= SHOWN_BODY_MAX_BYTES &&
           OTHER_TEXT_MAX_BYTES + strlen(received->message_id) + escaped_bytes <=
               LOG_LINE_MAX_BYTES;
}

int rejection_log(struct message *message, log_written_fn taken)
{
    CLEANUP(buffer_done) struct buffer body = BUFFER_INIT(8 * SHOWN_BODY_MAX_BYTES);
    const struct sqs_received_message *received = message->received;
    struct log_completion completion = {.written = taken, .userdata = message};

    if (escape_for_log(&body, received->body, received->body_bytes, SHOWN_BODY_MAX_BYTES) < 0)
        return body.error;
    completion.needs_fields = !fits_in_line(received, body.size);
    return log_write_message(&completion, &message->receipt, LOG_ERR, MESSAGE_ID_HANDLER_REJECTED,
                             LOG_FIELDS(MESSAGE_FIELDS(received), {"SQS_BODY", received->body}),
                             "Message %s is rejected and will be deleted: %s", received->message_id,
                             buffer_string(&body));
}
