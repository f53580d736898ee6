/* SPDX-License-Identifier: MIT */
/* The producer's metrics. A snapshot of the numbers is made when somebody asks for them. */
#include "daemon/metrics.h"
#include "producerd/producer-internal.h"

#define PREFIX "sqs_producerd_"

struct snapshot {
    const char *version;
    struct producer_counts counts;
};

#define AT(member) .offset = offsetof(struct snapshot, member)

static const struct metric metrics[] = {
    {"build_info", "The version of the daemon.", METRIC_INFO, AT(version), .labels = {{"version"}}},
    {"messages_taken_total", "Messages accepted from the source.", METRIC_COUNTER,
     AT(counts.taken)},
    {"messages_sent_total", "Messages that SQS has acknowledged.", METRIC_COUNTER, AT(counts.sent)},
    {"messages_rejected_total", "Messages that SQS will never accept.", METRIC_COUNTER,
     AT(counts.rejected)},
    {"messages_resent_total", "Messages to be sent again after an attempt that failed.",
     METRIC_COUNTER, AT(counts.resent)},
    {"messages_in_doubt_total", "Messages that SQS may have stored twice.", METRIC_COUNTER,
     AT(counts.possible_duplicates)},
};

void producer_append_metrics(struct producer *p, struct buffer *out)
{
    const struct snapshot snapshot = {
        .version = PROJECT_VERSION,
        .counts = p->counts,
    };

    metrics_append(out, PREFIX, metrics, ARRAY_SIZE(metrics), &snapshot);
}
