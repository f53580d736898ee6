/* SPDX-License-Identifier: MIT */
/* `pump` drives everything. It runs when something has changed: the source has a message, an answer
 * came, or a timer fired. It sends batches as long as a request slot is free and a message is
 * ready. The source is asked for a message only when a slot is free, so that no message waits in
 * the producer's memory without need. */
#include "producerd/producer-internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "daemon/instance.h"
#include "daemon/message-ids.h"
#include "util/log.h"

/* SQS's replies to sends are short; this bounds the replies of other servers. */
#define REPLY_MEMORY_BYTES ((size_t)64 * 1024 * 1024)

static void end(struct producer *p)
{
    p->is_finished = true;
    producer_show_status(p);
    producer_log_possible_duplicates_total(p->counts.possible_duplicates);
    progress_end(p->progress);
    log_write(LOG_INFO, service_is_stopping(p->service) ? MESSAGE_ID_STOPPED : MESSAGE_ID_FINISHED,
              LOG_NO_FIELDS, "Terminated!");
    service_exit(p->service, EXIT_SUCCESS);
}

/* --- Sending --- */

static void on_stalled(void *userdata)
{
    struct producer *p = userdata;

    batcher_stalled(p->batcher);
}

static void on_possible_duplicate(void *userdata, const struct outgoing_message *m)
{
    struct producer *p = userdata;

    p->counts.possible_duplicates++;
    producer_log_possible_duplicate(&p->possible_duplicate_limit, m, producer_now_usec(p));
}

/* True when the work has ended, by a stop or because the source has no more messages. */
static bool is_done(const struct producer *p)
{
    const struct source_ops *ops = p->source ? p->source->ops : NULL;

    if (p->n_messages > 0)
        return false;
    if (!service_is_stopping(p->service))
        return p->source_has_ended;
    return !ops || !ops->has_stopped || ops->has_stopped(p->source);
}

/* Sends all that can be sent now. Returns the time at which to try again. */
static uint64_t send_all(struct producer *p)
{
    uint64_t now = producer_now_usec(p), wake_usec = USEC_INFINITY;

    while (sender_has_slot(p->sender) && !p->is_finished && !producer_is_pausing(p)) {
        struct batch batch;
        int r = batcher_next(p->batcher, now, &batch, &wake_usec);

        if (r > 0 || p->is_finished)
            break;
        wake_usec = USEC_INFINITY;
        r = sender_send(p->sender, &batch);
        if (r < 0) {
            producer_requeue(p, &batch);
            producer_pause_for_shortage(p, r, "send");
        }
    }
    if (p->n_invalid_in_a_row == PRODUCER_INVALID_IN_A_ROW_MAX)
        wake_usec = now;
    p->n_invalid_in_a_row = 0;
    return producer_is_pausing(p) ? MIN(wake_usec, p->shortage_until_usec) : wake_usec;
}

static void pump(struct producer *p)
{
    uint64_t wake_usec;
    int r;

    if (p->is_finished)
        return;
    wake_usec = send_all(p);
    progress_update(p->progress);
    r = timer_set(&p->timer, wake_usec);
    if (r < 0)
        producer_fail(p, r, "Cannot wait");
    if (p->is_finished)
        return;
    if (is_done(p))
        end(p);
    /* Every message either has a request in flight or a timer: otherwise it would wait for ever. */
    assert(p->n_messages == 0 || sender_in_flight(p->sender) > 0 || wake_usec < USEC_INFINITY);
}

static void on_answer(void *userdata, const struct batch *batch, uint64_t sent_usec,
                      const struct sqs_result *result)
{
    struct producer *p = userdata;

    if (result->reply)
        histogram_add(&p->counts.sending,
                      producer_now_usec(p) - MIN(sent_usec, producer_now_usec(p)));
    producer_handle_answer(p, batch, sent_usec, result);
    producer_show_status(p);
    pump(p);
}

static void on_timer(void *userdata)
{
    pump(userdata);
}

static void on_source_ready(void *userdata)
{
    struct producer *p = userdata;

    p->source_is_empty = false;
    if (p->source->ops->describe && !p->is_finished)
        producer_show_status(p);
    if (p->sender)
        pump(p);
    else if (service_is_stopping(p->service) && !p->is_finished && is_done(p))
        end(p);
}

/* Returns what is stalled, or NULL. The service calls it between two rounds of the event loop. */
static const char *find_stall(void *userdata, uint64_t now)
{
    struct producer *p = userdata;
    const char *stall = queue_find_stall(p->queue, now);

    if (stall || !p->sender || p->is_finished)
        return stall;
    if (timer_is_set(&p->timer))
        return now - MIN(now, timer_usec(&p->timer)) > SERVICE_LATE_MAX_USEC
                   ? "a request was due, but was not sent"
                   : NULL;
    if (sender_in_flight(p->sender) > 0)
        return NULL;
    if (p->n_messages > 0)
        return "messages wait, but no request is in flight and none is due";
    /* the source still ends its work, within the stop's timeout */
    if (service_is_stopping(p->service))
        return NULL;
    return p->source_is_empty || p->waits_for_size ? NULL : "the source is not asked for messages";
}

/* --- Start and stop --- */

static void update_message_max(struct producer *p)
{
    p->message_bytes_max =
        MIN(queue_attributes(p->queue)->maximum_message_bytes, (size_t)SQS_MESSAGE_MAX_BYTES);
}

static void on_refreshed(void *userdata)
{
    struct producer *p = userdata;

    if (!p->sender || p->is_finished)
        return;
    update_message_max(p);
    p->waits_for_size = false;
    if (p->source->ops->opened)
        p->source->ops->opened(p->source, p->message_bytes_max);
    pump(p);
}

static bool on_refresh_size(void *userdata)
{
    struct producer *p = userdata;

    return p->sender && queue_refresh(p->queue);
}

static void describe_counts(void *userdata, struct buffer *line, const void *before)
{
    struct producer *p = userdata;

    producer_counts_append(line, &p->counts, before);
    buffer_printf(line, "; in flight: %zu", p->n_messages);
    if (p->source->ops->describe) {
        buffer_append_string(line, "; ");
        p->source->ops->describe(p->source, line);
    }
}

static int begin_progress(struct producer *p)
{
    char what[64];

    snprintf(what, sizeof(what), "source %s", p->source_kind->name);
    return progress_new(service_event(p->service),
                        &(struct progress_options){
                            .queue_url = queue_url(p->queue),
                            .is_fifo = queue_is_fifo(p->queue),
                            .what = what,
                            .keys = queue_keys_source(p->queue),
                            .counts = &p->counts,
                            .size = sizeof(p->counts),
                            .describe = describe_counts,
                            .userdata = p,
                        },
                        &p->progress);
}

static void limit_messages(struct producer *p)
{
    p->n_messages_max = (size_t)p->config->producer.max_connections *
                        p->config->producer.batch_size * PRODUCER_MESSAGES_PER_SLOT;
}

static int set_up(struct producer *p)
{
    sd_event *event = service_event(p->service);
    enum producer_lanes_kind kind = !queue_is_fifo(p->queue) ? LANES_UNORDERED
                                    : p->config->producer.order == CONFIG_ORDER_BATCH
                                        ? LANES_BATCH
                                        : LANES_STRICT;
    int r = producer_allocate_messages(p);

    update_message_max(p);
    limit_messages(p);
    if (r >= 0)
        r = producer_lanes_new(kind, PRODUCER_MESSAGES_MAX, &p->lanes);
    if (r >= 0)
        r = batcher_new(
            &(struct batcher_options){
                .lanes = p->lanes,
                .size_max = p->config->producer.batch_size,
                .linger_usec = p->config->producer.batch_linger_usec,
                .rate_limit = p->config->producer.rate_limit,
                .supply = producer_supply,
                .userdata = p,
            },
            &p->batcher);
    if (r >= 0)
        r = timer_init(&p->timer, event, USEC_PER_MSEC, on_timer, p);
    if (r >= 0 && !p->source)
        r = p->source_kind->make(event, p->config, queue_is_fifo(p->queue), on_source_ready, p,
                                 &p->source, NULL);
    if (r >= 0)
        r = sender_new(
            &(struct sender_options){
                .queue = p->queue,
                .source = p->source,
                .requests_max = p->config->producer.max_connections,
                .answered = on_answer,
                .stalled = on_stalled,
                .possible_duplicate = on_possible_duplicate,
                .userdata = p,
            },
            &p->sender);
    return r < 0 ? r : begin_progress(p);
}

static void on_opened(void *userdata)
{
    struct producer *p = userdata;
    int r = set_up(p);

    if (r < 0) {
        producer_fail(p, r, "Cannot start");
        return;
    }
    if (p->source->ops->opened)
        p->source->ops->opened(p->source, p->message_bytes_max);
    producer_show_status(p);
    pump(p);
}

static void on_stop(void *userdata)
{
    struct producer *p = userdata;

    if (p->source && p->source->ops->stop)
        p->source->ops->stop(p->source);
    producer_show_status(p);
    if (p->sender)
        pump(p);
    else if (is_done(p))
        end(p);
}

/* Makes a source that works before the queue is open. */
static int make_source_before_queue(struct producer *p, char **error)
{
    int r;

    if (!p->source_kind->starts_before_queue)
        return 0;
    r = p->source_kind->make(service_event(p->service), p->config, queue_is_fifo(p->queue),
                             on_source_ready, p, &p->source, error);
    if (r != 0)
        return r;
    p->source->refresh_size = on_refresh_size;
    p->source->owner = p;
    producer_show_status(p);
    service_ready(p->service);
    return 0;
}

int producer_new(struct service *service, const struct config *config, struct producer **ret,
                 char **error)
{
    CLEANUP(producer_free) struct producer *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return -ENOMEM;
    p->service = service;
    p->config = config;
    p->source_kind = source_kind_of(config);
    r = source_check_start(config, error);
    if (r == 0)
        r = queue_open(service, config,
                       &(struct queue_options){.name = PRODUCER_NAME,
                                               .permissions = PRODUCER_PERMISSIONS,
                                               .keep_trying = p->source_kind->starts_before_queue,
                                               .reply_memory_bytes = REPLY_MEMORY_BYTES,
                                               .opened = on_opened,
                                               .refreshed = on_refreshed,
                                               .userdata = p},
                       &p->queue, error);
    if (r == 0)
        r = make_source_before_queue(p, error);
    if (r != 0)
        return r < 0 ? r : PRODUCER_E_CONFIG;
    service_on_stop(service, &(struct service_stop){
                                 .timeout_usec = config->producer.stop_timeout_usec,
                                 .begin = on_stop,
                                 .cut_short = producer_cut_short,
                                 .userdata = p,
                             });
    service_on_watch(service, find_stall, p);
    *ret = TAKE(p);
    return 0;
}

/* A source that has ended may have more to send now. */
static void reconfigure_work(struct producer *p)
{
    const struct config *config = p->config;

    limit_messages(p);
    batcher_reconfigure(p->batcher, config->producer.batch_size, config->producer.batch_linger_usec,
                        config->producer.rate_limit, producer_now_usec(p));
    sender_set_requests_max(p->sender, config->producer.max_connections);
    p->source_is_empty = p->source_has_ended = false;
    producer_show_status(p);
    pump(p);
}

int producer_reconfigure(struct producer *p, const char *ca_bundle)
{
    int r;

    if (p->is_finished)
        return 0;
    r = queue_reconfigure(p->queue, ca_bundle, REPLY_MEMORY_BYTES);
    service_set_stop_timeout(p->service, p->config->producer.stop_timeout_usec);
    if (p->source && p->source->ops->reconfigure)
        p->source->ops->reconfigure(p->source, p->config);
    if (p->sender)
        reconfigure_work(p);
    return r;
}

const struct aws_effective_settings *producer_aws_settings(const struct producer *p)
{
    return queue_aws_settings(p->queue);
}

struct producer *producer_free(struct producer *p)
{
    if (!p)
        return NULL;
    progress_free(p->progress);
    queue_free(p->queue);
    timer_done(&p->timer);
    batcher_free(p->batcher);
    producer_lanes_free(p->lanes);
    source_free(p->source);
    sender_free(p->sender);
    free(p->messages);
    free(p);
    return NULL;
}
