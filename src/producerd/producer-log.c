/* SPDX-License-Identifier: MIT */
#include "producerd/producer-log.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/instance.h"
#include "daemon/message-ids.h"
#include "util/log.h"

void producer_log_sending(const struct outgoing_message *message)
{
    const struct sqs_message *m = &message->source->message;

    if (!log_enabled(LOG_INFO))
        return;
    log_write(LOG_INFO, NULL,
              LOG_FIELDS({"SQS_SPOOL_ID", message->source->spool_id},
                         {"SQS_MESSAGE_GROUP_ID", m->group_id},
                         {"SQS_MESSAGE_DEDUPLICATION_ID", m->deduplication_id}),
              "Sending message with id %s...", message->source->id);
}

void producer_log_sent(const struct outgoing_message *message, const struct verdict *verdict,
                       const struct sqs_result *result)
{
    const struct sqs_message *m = &message->source->message;

    if (!log_enabled(LOG_INFO))
        return;
    log_write(LOG_INFO, MESSAGE_ID_MESSAGE_SENT,
              LOG_FIELDS({"SQS_MESSAGE_ID", verdict->message_id},
                         {"SQS_SPOOL_ID", message->source->spool_id},
                         {"SQS_MESSAGE_GROUP_ID", m->group_id},
                         {"SQS_MESSAGE_DEDUPLICATION_ID", m->deduplication_id},
                         {"SQS_SEQUENCE_NUMBER", verdict->sequence_number},
                         {"SQS_REQUEST_ID", result->request_id}),
              "SQS Response: Status:%d Id:%s SQS Message Id:%s", result->http_status,
              message->source->id, verdict->message_id);
}

/* The spool keeps a rejected message; the demo does not. */
static struct instance_text set_aside(const char *spool_id, const char *instance)
{
    struct instance_text t = {};

    if (is_set(spool_id))
        snprintf(t.text, sizeof(t.text), " but set aside (sqs-producerd --rejected%s%s)",
                 instance ? " --to=" : "", instance ? instance : "");
    return t;
}

void producer_log_rejected(const struct outgoing_message *message, const char *instance,
                           const struct verdict *verdict, const struct sqs_result *result)
{
    const struct sqs_message *m = &message->source->message;

    log_write(LOG_ERR, MESSAGE_ID_MESSAGE_REJECTED,
              LOG_FIELDS({"SQS_SPOOL_ID", message->source->spool_id},
                         {"SQS_MESSAGE_GROUP_ID", m->group_id},
                         {"SQS_MESSAGE_DEDUPLICATION_ID", m->deduplication_id},
                         {"SQS_REQUEST_ID", result->request_id}, {"SQS_ERROR_CODE", verdict->code}),
              "SQS rejects the message with id %s, it is not sent%s: %s: %s", message->source->id,
              set_aside(message->source->spool_id, instance).text, verdict->name, verdict->text);
}

void producer_log_invalid(const struct source_message *message, const char *instance,
                          const char *why)
{
    log_write(LOG_ERR, MESSAGE_ID_MESSAGE_REJECTED,
              LOG_FIELDS({"SQS_SPOOL_ID", message->spool_id},
                         {"SQS_MESSAGE_GROUP_ID", message->message.group_id},
                         {"SQS_MESSAGE_DEDUPLICATION_ID", message->message.deduplication_id}),
              "SQS would reject the message with id %s, it is not sent%s: %s", message->id,
              set_aside(message->spool_id, instance).text, why);
}

void producer_log_retry(struct log_rate_limit *limit, const struct verdict *verdict, size_t n,
                        size_t n_sent, const struct sqs_result *result, uint64_t delay_usec,
                        uint64_t now_usec)
{
    char total[64] = "";
    uint64_t n_suppressed;

    if (!log_rate_limit_take(limit, verdict->name, n, now_usec, &n_suppressed))
        return;
    if (n_suppressed > 0)
        snprintf(total, sizeof(total), " (%" PRIu64 " since the last such line)", n_suppressed + n);
    log_write(LOG_WARNING, NULL,
              LOG_FIELDS({"SQS_ERROR_CODE", verdict->code}, {"SQS_REQUEST_ID", result->request_id}),
              "%zu of %zu messages of a request failed: %s: %s; sending them again in %.3f s%s", n,
              n_sent, verdict->name, verdict->text, (double)delay_usec / USEC_PER_SEC, total);
}

void producer_log_possible_duplicate(struct log_rate_limit *limit,
                                     const struct outgoing_message *message, uint64_t now_usec)
{
    const struct sqs_message *m = &message->source->message;
    char others[96] = "";
    uint64_t n_suppressed;

    limit->lines_max = POSSIBLE_DUPLICATE_LINES_MAX;
    if (!log_rate_limit_take(limit, "", 1, now_usec, &n_suppressed))
        return;
    if (log_rate_limit_is_spent(limit))
        snprintf(others, sizeof(others), " (further ones within a minute are only counted)");
    else if (n_suppressed > 0)
        snprintf(others, sizeof(others), " (so were %" PRIu64 " others since the last such line)",
                 n_suppressed);
    log_write(LOG_WARNING, NULL,
              LOG_FIELDS({"SQS_SPOOL_ID", message->source->spool_id},
                         {"SQS_MESSAGE_GROUP_ID", m->group_id},
                         {"SQS_MESSAGE_DEDUPLICATION_ID", m->deduplication_id}),
              "The message with id %s is sent again more than 5 minutes after an attempt whose "
              "outcome is not known: SQS may store it twice%s",
              message->source->id, others);
}

void producer_log_possible_duplicates_total(uint64_t n)
{
    if (n > 0)
        log_warning("Messages that SQS may have stored twice, sent again more than 5 minutes after "
                    "an attempt whose outcome is not known: %" PRIu64 ".",
                    n);
}

void producer_log_batch_refused(size_t n, const struct verdict *verdict,
                                const struct sqs_result *result)
{
    log_write(LOG_WARNING, NULL,
              LOG_FIELDS({"SQS_ERROR_CODE", verdict->code}, {"SQS_REQUEST_ID", result->request_id}),
              "SQS refuses a batch of %zu messages as a whole: %s: %s; sending them one by one", n,
              verdict->name, verdict->text);
}

void producer_log_remaining(size_t n_unknown, size_t n_not_sent, bool is_source_durable)
{
    if (n_unknown + n_not_sent == 0)
        return;
    log_warning("Messages with an unknown outcome (SQS may or may not have them): %zu; taken from "
                "the source and not sent: %zu.%s",
                n_unknown, n_not_sent,
                is_source_durable
                    ? " All of them are in the spool, and are sent after the next start."
                    : "");
}
