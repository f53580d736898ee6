/* SPDX-License-Identifier: MIT */
/* The consumer's metrics. A snapshot of the numbers is made when somebody asks for them. */
#include <inttypes.h>

#include "consumerd/consumer-internal.h"
#include "daemon/metrics.h"

#define PREFIX "sqs_consumerd_"

struct snapshot {
    const char *version;
    struct consumer_counts counts;
};

#define AT(member) .offset = offsetof(struct snapshot, member)

static const struct metric metrics[] = {
    {"build_info", "The version of the daemon.", METRIC_INFO, AT(version), .labels = {{"version"}}},
    {"messages_received_total", "Messages received.", METRIC_COUNTER, AT(counts.received)},
    {"messages_deleted_total", "Messages deleted.", METRIC_COUNTER, AT(counts.deleted)},
};

void consumer_append_metrics(struct consumer *c, struct buffer *out)
{
    struct snapshot snapshot = {.version = PROJECT_VERSION};

    if (c->inflight)
        snapshot.counts = *inflight_counts(c->inflight);
    metrics_append(out, PREFIX, metrics, ARRAY_SIZE(metrics), &snapshot);
}
