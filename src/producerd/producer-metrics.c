/* SPDX-License-Identifier: MIT */
/* The producer's metrics. A snapshot of the numbers is made when somebody asks for them. */
#include "daemon/metrics.h"
#include "daemon/queue-metrics.h"
#include "producerd/producer-internal.h"

#define PREFIX "sqs_producerd_"

struct snapshot {
    struct producer_counts counts;
    double in_memory, requests, free_slots;
};

/* What the spool holds. */
struct spool_snapshot {
    double waiting, rejected, bytes, messages_max, bytes_max, oldest_sec, submitters, is_writable;
};

#define AT(member) .offset = offsetof(struct snapshot, member)

static const struct metric metrics[] = {
    {"messages_taken_total", "Messages accepted from the source.", METRIC_COUNTER,
     AT(counts.taken)},
    {"messages_sent_total", "Messages that SQS has acknowledged.", METRIC_COUNTER, AT(counts.sent)},
    {"messages_rejected_total", "Messages that SQS will never accept.", METRIC_COUNTER,
     AT(counts.rejected)},
    {"messages_resent_total", "Messages to be sent again after an attempt that failed.",
     METRIC_COUNTER, AT(counts.resent)},
    {"messages_in_doubt_total",
     "Messages that were sent again more than five minutes after an attempt of unknown outcome, as "
     "a FIFO queue may then store them twice; a standard queue may do so sooner.",
     METRIC_COUNTER, AT(counts.possible_duplicates)},
    {"send_seconds",
     "Time from sending a request until SQS has acknowledged it; attempts that failed are left "
     "out.",
     METRIC_HISTOGRAM, AT(counts.sending)},
    {"messages_in_memory", "Messages taken from the source and not yet settled.", METRIC_GAUGE,
     AT(in_memory)},
    {"requests_in_flight", "Requests with messages under way.", METRIC_GAUGE, AT(requests)},
    {"request_slots_free", "Requests that could be sent at once.", METRIC_GAUGE, AT(free_slots)},
};

#undef AT
#define AT(member) .offset = offsetof(struct spool_snapshot, member)

static const struct metric spool_metrics[] = {
    {"spool_messages", "Messages that wait in the spool.", METRIC_GAUGE, AT(waiting)},
    {"spool_rejected_messages", "Rejected messages in the spool.", METRIC_GAUGE, AT(rejected)},
    {"spool_bytes", "Bytes of all messages in the spool.", METRIC_GAUGE, AT(bytes)},
    {"spool_max_messages", "Messages that the spool may hold.", METRIC_GAUGE, AT(messages_max)},
    {"spool_max_bytes", "Bytes of messages that the spool may hold.", METRIC_GAUGE, AT(bytes_max)},
    {"spool_oldest_message_age_seconds",
     "For how long the oldest message has waited, not counted before the start of the daemon.",
     METRIC_GAUGE, AT(oldest_sec)},
    {"spool_writable", "1 if the spool can be written, else 0.", METRIC_GAUGE, AT(is_writable)},
    {"submitters", "Connections of programs that submit messages.", METRIC_GAUGE, AT(submitters)},
};

static void append_spool(struct source *source, struct buffer *out)
{
    struct source_levels levels;
    struct spool_snapshot snapshot;

    source->ops->measure(source, &levels);
    snapshot = (struct spool_snapshot){
        .waiting = (double)levels.waiting,
        .rejected = (double)levels.rejected,
        .bytes = (double)levels.bytes,
        .messages_max = (double)levels.messages_max,
        .bytes_max = (double)levels.bytes_max,
        .oldest_sec = (double)levels.oldest_usec / USEC_PER_SEC,
        .submitters = (double)levels.submitters,
        .is_writable = levels.is_writable,
    };
    metrics_append(out, PREFIX, spool_metrics, ARRAY_SIZE(spool_metrics), &snapshot);
}

void producer_append_metrics(struct producer *p, struct buffer *out)
{
    unsigned max = p->config->producer.max_connections;
    unsigned n = p->sender ? sender_in_flight(p->sender) : 0;
    const struct snapshot snapshot = {
        .counts = p->counts,
        .in_memory = (double)p->n_messages,
        .requests = n,
        .free_slots = max - MIN(n, max),
    };

    queue_append_metrics(p->queue, service_event(p->service), PREFIX, out);
    metrics_append(out, PREFIX, metrics, ARRAY_SIZE(metrics), &snapshot);
    if (p->source && p->source->ops->measure)
        append_spool(p->source, out);
}
