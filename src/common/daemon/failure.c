/* SPDX-License-Identifier: MIT */
#include "daemon/failure.h"

#include <sysexits.h>

#include "daemon/message-ids.h"
#include "daemon/remedy.h"
#include "util/log.h"

static const char *message_id_of(const struct sqs_error *error)
{
    if (streq(error->name, SQS_ERROR_NO_CREDENTIALS) ||
        streq(error->name, SQS_ERROR_CREDENTIALS_FAILED))
        return MESSAGE_ID_CREDENTIALS_MISSING;
    if (error->class == AWS_ERROR_CREDENTIALS)
        return MESSAGE_ID_CREDENTIALS_REFUSED;
    if (streq(error->name, "QueueDoesNotExist"))
        return MESSAGE_ID_QUEUE_MISSING;
    if (sqs_error_is_denial(error))
        return MESSAGE_ID_ACCESS_DENIED;
    return MESSAGE_ID_QUEUE_UNREACHABLE;
}

void failure_describe(struct buffer *b, enum sqs_operation operation, const struct sqs_error *error)
{
    bool has_name = error->name[0] && error->code[0];

    if (sqs_error_is_without_credentials(error)) {
        buffer_append_string(b, "no AWS credentials were found");
        if (streq(error->name, SQS_ERROR_NO_CREDENTIALS_YET))
            buffer_append_string(b, ", and the instance metadata service does not answer (yet)");
        return;
    }
    if (sqs_error_is_denial(error))
        buffer_printf(b, "sqs:%s is denied: ", sqs_operation_name(sqs_operation_single(operation)));
    /* A name without a code is one of our own errors, and the text says the same as the name. */
    if (has_name)
        buffer_printf(b, "%s", error->name);
    else if (error->http_status > 0)
        buffer_printf(b, "HTTP status %d%s", error->http_status,
                      error->http_status == 407 ? " (the proxy wants a user name and password)"
                                                : "");
    if (error->message[0])
        buffer_printf(b, "%s%s", has_name || error->http_status > 0 ? ": " : "", error->message);
}

void failure_write(int priority, enum sqs_operation operation, const struct sqs_error *error,
                   const char *request_id, const char *lead, const char *tail)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(4096);
    const char *help = remedy_of(operation, error);

    failure_describe(&text, operation, error);
    if (operation == SQS_RECEIVE_MESSAGE && error->stall >= SQS_STALL_WAIT)
        buffer_append_string(&text, "; SQS may have sent messages that did not arrive; they come "
                                    "back when their visibility timeout ends");
    if (help && text.size > 0 && text.data[text.size - 1] == '.')
        text.data[--text.size] = '\0';
    if (help)
        buffer_printf(&text, "; to correct it: %s", help);
    /* The list of places is long, so it comes last. */
    if (sqs_error_is_without_credentials(error))
        buffer_printf(&text, ". Looked at %s", error->message);
    log_write(priority, message_id_of(error),
              LOG_FIELDS({"SQS_ERROR_CODE", error->code}, {"SQS_REQUEST_ID", request_id},
                         {"SQS_OPERATION", sqs_operation_name(operation)}),
              "%s: %s%s", lead, buffer_string(&text), tail);
}

void failure_write_shortage(struct log_rate_limit *limit, const char *what, int error,
                            uint64_t now_usec)
{
    if (log_rate_limit_take(limit, "", 1, now_usec, NULL))
        log_error("Cannot %s at the moment, trying again: %s.", what, strerror(-error));
}

int failure_exit_status(const struct sqs_error *error)
{
    if (error->class == AWS_ERROR_CREDENTIALS || error->class == AWS_ERROR_CLOCK ||
        sqs_error_is_denial(error) || streq(error->name, SQS_ERROR_NO_CREDENTIALS_YET))
        return EX_NOPERM;
    return EX_UNAVAILABLE;
}
