/* SPDX-License-Identifier: MIT */
#include "daemon/queue-metrics.h"

#include "aws/clock-correction.h"
#include "daemon/metrics.h"
#include "daemon/queue-client.h"
#include "util/log.h"

struct snapshot {
    const char *version;
    struct sqs_client_counts counts;
    double credentials_expiry_sec, clock_skew_sec, queue_messages;
    uint64_t log_lines_dropped;
};

static const char *const results[] = {
    [SQS_ATTEMPT_SUCCEEDED] = "success",   [SQS_ATTEMPT_REFUSED] = "refused",
    [SQS_ATTEMPT_THROTTLED] = "throttled", [SQS_ATTEMPT_UNAUTHORIZED] = "unauthorized",
    [SQS_ATTEMPT_FAILED] = "failed",       [SQS_ATTEMPT_UNANSWERED] = "unanswered",
};

#define AT(member) .offset = offsetof(struct snapshot, member)

static double expiry_sec(struct credentials *credentials)
{
    uint64_t usec = credentials_expiry_usec(credentials);

    return usec == 0 || usec == USEC_INFINITY ? NAN : (double)usec / USEC_PER_SEC;
}

void queue_append_metrics(const struct queue *queue, sd_event *event, const char *prefix,
                          struct buffer *out)
{
    const struct queue_client *client = queue_client(queue);
    struct credentials *credentials = credentials_chain_credentials(client->credentials);
    const struct clock_reading now = clocks_read(event);
    const uint64_t queue_messages = queue_attributes(queue)->visible_messages;
    const char *operations[SQS_N_OPERATIONS];
    const struct snapshot snapshot = {
        .version = PROJECT_VERSION,
        .counts = *sqs_client_counts(client->sqs),
        .credentials_expiry_sec = expiry_sec(credentials),
        .clock_skew_sec = (double)clock_skew_sec(credentials_skew(credentials), &now),
        .queue_messages = queue_messages == UINT64_MAX ? NAN : (double)queue_messages,
        .log_lines_dropped = log_count_dropped(),
    };
    const struct metric metrics[] = {
        {"build_info", "The version of the daemon.", METRIC_INFO, AT(version), {{"version"}}},
        {"requests_total",
         "Requests to SQS that have ended, each attempt counted; the start's check of permissions "
         "makes some that SQS refuses.",
         METRIC_COUNTER,
         AT(counts.attempts),
         {{"operation", operations, SQS_N_OPERATIONS}, {"result", results, ARRAY_SIZE(results)}}},
        {"request_retries_total",
         "Requests to SQS that have failed and that another attempt follows.",
         METRIC_COUNTER,
         AT(counts.retries),
         {{"operation", operations, SQS_N_OPERATIONS}}},
        {"queue_visible_messages",
         "Messages that the queue had when its attributes were last read, each ten minutes.",
         METRIC_GAUGE, AT(queue_messages)},
        {"credentials_expiry_timestamp_seconds",
         "When the keys in use end, in seconds since 1970; missing for keys without an end.",
         METRIC_GAUGE, AT(credentials_expiry_sec)},
        {"clock_skew_seconds",
         "By how much this machine's clock is behind AWS's, where that is corrected.", METRIC_GAUGE,
         AT(clock_skew_sec)},
        {"log_lines_dropped_total", "Log lines that were dropped because the log took none.",
         METRIC_COUNTER, AT(log_lines_dropped)},
    };

    for (size_t i = 0; i < SQS_N_OPERATIONS; i++)
        operations[i] = sqs_operation_name((enum sqs_operation)i);
    metrics_append(out, prefix, metrics, ARRAY_SIZE(metrics), &snapshot);
}
