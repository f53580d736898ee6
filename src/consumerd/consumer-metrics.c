/* SPDX-License-Identifier: MIT */
/* The consumer's metrics. A snapshot of the numbers is made when somebody asks for them. */
#include "consumerd/consumer-internal.h"
#include "daemon/metrics.h"
#include "daemon/queue-metrics.h"

#define PREFIX "sqs_consumerd_"

struct snapshot {
    struct consumer_counts counts;
    double in_flight, handling, free_slots, receives, unreached_sec, ledger;
};

static const char *const outcomes[] = {
    [HANDLER_DONE] = "done",
    [HANDLER_RETRY] = "failed",
    [HANDLER_UNANSWERED] = "unanswered",
    [HANDLER_REJECT] = "rejected",
    [HANDLER_NOT_REACHED] = "not_reached",
    [HANDLER_UNAVAILABLE] = "unavailable",
};

static const char *const releases[] = {
    [RELEASE_NOT_BEGUN] = "not_begun",
    [RELEASE_INTERRUPTED] = "interrupted",
    [RELEASE_NOT_REACHED] = "not_reached",
    [RELEASE_RETRY] = "failed",
    [RELEASE_REFUSED] = "refused",
    [RELEASE_BEHIND] = "behind",
    [RELEASE_LEASE] = "lease",
};

#define AT(member) .offset = offsetof(struct snapshot, member)

static const struct metric metrics[] = {
    {"messages_received_total", "Messages received.", METRIC_COUNTER, AT(counts.received)},
    {"messages_handled_total",
     "Answers of the handler, by what it answered; a message may have several.",
     METRIC_COUNTER,
     AT(counts.outcomes),
     {{"outcome", outcomes, ARRAY_SIZE(outcomes)}}},
    {"messages_deleted_total", "Messages deleted.", METRIC_COUNTER, AT(counts.deleted)},
    {"messages_released_total",
     "Messages made visible again, by the reason.",
     METRIC_COUNTER,
     AT(counts.released),
     {{"reason", releases, ARRAY_SIZE(releases)}}},
    {"messages_lost_total", "Messages whose lease ended, so that SQS delivers them again.",
     METRIC_COUNTER, AT(counts.lost)},
    {"message_waiting_seconds",
     "Time from when SQS took a message until it was received, each time that it was, by SQS's "
     "clock "
     "and this machine's.",
     METRIC_HISTOGRAM, AT(counts.waiting)},
    {"message_handling_seconds",
     "Time from when the handler got a message until its answer; messages that have not reached "
     "it, "
     "or were taken back, are left out.",
     METRIC_HISTOGRAM, AT(counts.handling)},
    {"messages_in_flight", "Messages received and not yet deleted or released.", METRIC_GAUGE,
     AT(in_flight)},
    {"messages_being_handled", "Messages with the handler.", METRIC_GAUGE, AT(handling)},
    {"slots_free", "Messages that could be begun at once.", METRIC_GAUGE, AT(free_slots)},
    {"receives_in_flight", "Receives under way.", METRIC_GAUGE, AT(receives)},
    {"handler_unreached_seconds",
     "For how long the handler has not been reached; 0: it is reached.", METRIC_GAUGE,
     AT(unreached_sec)},
    {"ledger_messages", "Messages in the ledger; missing without a ledger.", METRIC_GAUGE,
     AT(ledger)},
};

static void measure_inflight(const struct consumer *c, struct snapshot *s)
{
    const struct inflight_status status = inflight_status(c->inflight);
    size_t concurrency = c->config->consumer.concurrency;

    s->counts = *inflight_counts(c->inflight);
    s->in_flight = (double)status.messages;
    s->handling = (double)status.handling;
    s->free_slots = (double)(concurrency - MIN(status.wanted, concurrency));
    s->unreached_sec = (double)status.outage_usec / USEC_PER_SEC;
}

void consumer_append_metrics(struct consumer *c, struct buffer *out)
{
    struct snapshot snapshot = {
        .free_slots = c->config->consumer.concurrency,
        .receives = c->receiver ? (double)receiver_polls(c->receiver) : 0,
        .ledger = c->ledger ? (double)ledger_count(c->ledger) : NAN,
    };

    if (c->inflight)
        measure_inflight(c, &snapshot);
    queue_append_metrics(c->queue, service_event(c->service), PREFIX, out);
    metrics_append(out, PREFIX, metrics, ARRAY_SIZE(metrics), &snapshot);
}
