/* SPDX-License-Identifier: MIT */
/* Dispatches do all the work. A dispatch does all that is due for the messages in flight, starts
 * polls, and checks whether the consumer's work is over. Callbacks only note what has happened and
 * request a dispatch. The event loop runs the dispatch; if several replies came together, it runs
 * after the last of their callbacks. One timer is set to the time at which the next work is due. */
#include "consumerd/consumer-internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "consumerd/handler/handlers.h"
#include "daemon/failure.h"
#include "daemon/instance.h"
#include "daemon/message-ids.h"
#include "daemon/state-directory.h"
#include "util/log.h"

#define LEDGER_FILE "ledger.db" /* in $STATE_DIRECTORY */

enum { FAILURE_MAX_BYTES = 4096 };

/* How long a stop lets messages wait for the log to take their lines. A log that takes longer is
 * stalled, perhaps for ever. */
#define STOP_LOG_WAITS_USEC (1 * USEC_PER_SEC)

static void show_status(struct consumer *c)
{
    struct inflight_status status = inflight_status(c->inflight);
    const struct consumer_counts *totals = inflight_counts(c->inflight);
    CLEANUP(buffer_done) struct buffer failure = BUFFER_INIT(FAILURE_MAX_BYTES);

    c->is_status_due = false;
    if (c->is_stopping && !c->is_over)
        service_status(c->service,
                       "Stopping: %zu receives under way, %zu messages being handled, %zu to "
                       "delete, %zu to release",
                       receiver_polls(c->receiver), status.handling, status.deleting,
                       status.releasing);
    else if (status.outage_usec > 0 && consumer_append_failure(c, &failure))
        service_status(c->service, "Received %" PRIu64 ", deleted %" PRIu64 ", %zu in flight; %s",
                       totals->received, totals->deleted, status.messages, buffer_string(&failure));
    else if (status.messages > 1)
        service_status(c->service, "Received %" PRIu64 ", deleted %" PRIu64 ", %zu in flight",
                       totals->received, totals->deleted, status.messages);
    else
        service_status(c->service, "Received %" PRIu64 ", deleted %" PRIu64, totals->received,
                       totals->deleted);
}

/* --- Dispatch --- */

/* Whether a stop still waits for receives. A message that is released now could be given to one of
 * them, and would be received once more. In the last part of a stop messages are released even if
 * receives are under way. */
static bool is_receiving_at_stop(const struct consumer *c)
{
    return c->is_stopping && receiver_polls(c->receiver) > 0 && clock_boot_usec() < c->cancel_usec;
}

/* Shortly after a stop begins, and in its last part once more: cancels messages that wait for the
 * log. Returns when that is due; USEC_INFINITY: not before the last receive has ended, or
 * cancel_if_late is due. */
static uint64_t cancel_log_waits_if_late(struct consumer *c)
{
    size_t n;

    if (!c->is_stopping || c->has_cancelled_log_waits || is_receiving_at_stop(c) ||
        inflight_status(c->inflight).handling == 0)
        return USEC_INFINITY;
    if (clock_boot_usec() < c->log_waits_end_usec)
        return c->log_waits_end_usec;
    c->has_cancelled_log_waits = true;
    n = inflight_cancel_log_waits(c->inflight);
    if (n == 0)
        return USEC_INFINITY;
    log_warning("The log accepts no lines: releasing %zu message%s that wait for it.", n,
                n == 1 ? "" : "s");
    c->exit_status = EXIT_UNFINISHED;
    return USEC_INFINITY;
}

/* In the last part of a stop: cancels the messages that are still with the handler. Returns the
 * time at which that is due. */
static uint64_t cancel_if_late(struct consumer *c)
{
    uint64_t now_usec;
    size_t n;

    if (!c->is_stopping || c->has_cancelled || inflight_status(c->inflight).handling == 0)
        return USEC_INFINITY;
    now_usec = clock_boot_usec();
    if (now_usec < c->cancel_usec)
        return c->cancel_usec;
    c->has_cancelled = true;
    /* A program that had ended before may reject its message now. The others are killed after half
     * of the time that is left; after three quarters no message waits for its line. */
    c->log_waits_end_usec = now_usec + (c->stop_end_usec - MIN(now_usec, c->stop_end_usec)) / 4 * 3;
    c->has_cancelled_log_waits = false;
    n = inflight_cancel(c->inflight, (c->stop_end_usec - MIN(now_usec, c->stop_end_usec)) / 2);
    log_warning(
        "The stop takes too long: cancelling the handling of %zu message%s, which may be released.",
        n, n == 1 ? "" : "s");
    c->exit_status = EXIT_UNFINISHED;
    return USEC_INFINITY;
}

static void wait_until(struct consumer *c, uint64_t usec)
{
    int r = timer_set(&c->timer, usec);

    if (r < 0)
        consumer_fail(c, r, "Cannot wait");
}

/* `why`: a person did not ask for this end, and who sees no lines at info must find the reason. */
static void end(struct consumer *c, const char *why)
{
    c->is_over = true;
    if (c->inflight)
        show_status(c);
    progress_end(c->progress);
    log_write(why[0] ? LOG_NOTICE : LOG_INFO,
              service_is_stopping(c->service) ? MESSAGE_ID_STOPPED : MESSAGE_ID_FINISHED,
              LOG_NO_FIELDS, "%sTerminated!", why);
    service_exit(c->service, c->exit_status);
}

static bool end_if_done(struct consumer *c)
{
    char why[128] = "";

    if (inflight_status(c->inflight).messages > 0 || receiver_polls(c->receiver) > 0 ||
        (!c->is_stopping && !consumer_is_drained(c)))
        return false;
    if (receiver_abandoned(c->receiver) > 0)
        c->exit_status = EXIT_UNFINISHED;
    if (!c->is_stopping)
        snprintf(why, sizeof(why),
                 "The queue stays empty (consumer.exit_after_empty_receives = %" PRIu64 "). ",
                 c->config->consumer.exit_after_empty_receives);
    end(c, why);
    return true;
}

static void note_receiving(struct consumer *c)
{
    inflight_set_receiving(c->inflight, is_receiving_at_stop(c));
}

static void dispatch_once(struct consumer *c)
{
    uint64_t cancel_usec = cancel_if_late(c), log_usec = cancel_log_waits_if_late(c), inflight_usec,
             poll_usec;
    int r;

    note_receiving(c);
    r = inflight_dispatch(c->inflight, &inflight_usec);
    if (r < 0)
        failure_write_shortage(&c->shortage_limit, "send to SQS", r, clock_boot_usec());
    poll_usec = consumer_poll(c);
    note_receiving(c); /* a poll may have been cancelled */
    progress_update(c->progress);
    if (end_if_done(c))
        return;
    if (c->is_status_due)
        show_status(c);
    wait_until(c, MIN(MIN(inflight_usec, poll_usec), MIN(cancel_usec, log_usec)));
}

/* Runs the requested dispatch at once, instead of waiting for the event loop. */
static void dispatch_if_requested(struct consumer *c)
{
    if (c->is_over || sd_event_source_get_enabled(c->wake, NULL) <= 0)
        return;
    sd_event_source_set_enabled(c->wake, SD_EVENT_OFF);
    dispatch_once(c);
}

/* A dispatch may request the next: for example when a handler is done at once. */
static void dispatch(struct consumer *c)
{
    dispatch_once(c);
    dispatch_if_requested(c);
}

static void on_timer(void *userdata)
{
    dispatch(userdata);
}

static int on_wake(sd_event_source *source, void *userdata)
{
    dispatch(userdata);
    return 0;
}

/* The queue's `replied`: all callbacks of the replies that came together have run. */
static void on_replied(void *userdata)
{
    dispatch_if_requested(userdata);
    dispatch_if_requested(userdata);
}

/* For the watchdog: the name of the part that has stalled, or NULL. */
static const char *what_stalls(void *userdata, uint64_t now_usec)
{
    struct consumer *c = userdata;
    const char *stalled = queue_find_stall(c->queue, now_usec);

    /* A requested dispatch runs at once. */
    if (stalled || !c->receiver || c->is_over || sd_event_source_get_enabled(c->wake, NULL) > 0)
        return stalled;
    if (timer_is_set(&c->timer))
        return now_usec - MIN(now_usec, timer_usec(&c->timer)) > SERVICE_LATE_MAX_USEC
                   ? "work on the messages in flight is overdue"
                   : NULL;
    if (receiver_polls(c->receiver) > 0)
        return NULL;
    return inflight_status(c->inflight).messages > 0
               ? NULL
               : "no receive is under way, and no message is in flight";
}

/* --- Life --- */

static void describe_counts(void *userdata, struct buffer *line, const void *before)
{
    struct consumer *c = userdata;

    consumer_counts_append(line, inflight_counts(c->inflight), before);
    buffer_printf(line, "; in flight: %zu", inflight_status(c->inflight).messages);
}

static int begin_progress(struct consumer *c)
{
    CLEANUP(buffer_done) struct buffer what = BUFFER_INIT(PROGRESS_WHAT_MAX_BYTES);

    handler_append(&what, c->config, c->handler);
    return progress_new(service_event(c->service),
                        &(struct progress_options){
                            .queue_url = queue_url(c->queue),
                            .is_fifo = queue_is_fifo(c->queue),
                            .what = buffer_string(&what),
                            .keys = queue_keys_source(c->queue),
                            .counts = inflight_counts(c->inflight),
                            .size = sizeof(struct consumer_counts),
                            .describe = describe_counts,
                            .userdata = c,
                        },
                        &c->progress);
}

static struct ledger_limits ledger_limits_of(const struct config *config)
{
    return (struct ledger_limits){
        .max_messages = config->consumer.ledger_max_messages,
        .max_age_usec = config->consumer.ledger_max_age_usec,
    };
}

static struct inflight_options inflight_options_of(const struct consumer *c)
{
    const struct config *config = c->config;

    return (struct inflight_options){
        .is_fifo = queue_is_fifo(c->queue),
        .visibility_sec = c->visibility_sec,
        .concurrency = config->consumer.concurrency,
        .delete_linger_usec = config->consumer.delete_linger_usec,
        .retry_delay_usec = config->consumer.retry_delay_usec,
        .retry_delay_max_usec = config->consumer.retry_delay_max_usec,
    };
}

static int set_up(struct consumer *c)
{
    struct inflight_options options;
    int r;

    c->visibility_sec = consumer_visibility_sec(c);
    options = inflight_options_of(c);
    r = inflight_new(c->queue, c->handler, c->ledger, &options, consumer_on_inflight_changed, c,
                     &c->inflight);

    if (r >= 0)
        r = begin_progress(c);
    if (r < 0)
        return r;
    return consumer_begin_receiving(c);
}

static void on_opened(void *userdata)
{
    struct consumer *c = userdata;
    int r = set_up(c);

    if (r < 0)
        consumer_fail(c, r, "Cannot begin");
    else
        consumer_on_inflight_changed(c);
}

static void on_stop(void *userdata)
{
    struct consumer *c = userdata;
    uint64_t now_usec = clock_boot_usec(), timeout_usec = c->config->consumer.stop_timeout_usec;

    if (!c->receiver) {
        end(c, "");
        return;
    }
    c->is_stopping = true;
    c->cancel_usec = now_usec + consumer_until_cancel_usec(c);
    c->log_waits_end_usec = MIN(now_usec + STOP_LOG_WAITS_USEC, c->cancel_usec);
    c->stop_end_usec = now_usec + timeout_usec;
    note_receiving(c);
    inflight_stop(c->inflight, c->stop_end_usec);
    receiver_stop(c->receiver, now_usec, c->cancel_usec);
    consumer_request_dispatch(c);
}

static void log_what_is_left(void *userdata)
{
    struct consumer *c = userdata;
    struct inflight_status status = {};

    if (c->inflight)
        status = inflight_status(c->inflight);
    if (status.messages > 0)
        log_warning("Not finished: %zu messages with the handler, %zu handled but not deleted, %zu "
                    "not released; they come back when their visibility timeout ends.",
                    status.handling, status.deleting, status.releasing);
    if (c->receiver && receiver_polls(c->receiver) > 0)
        log_warning("Not finished: %zu receives; messages that SQS has sent for them come back "
                    "when their visibility timeout ends.",
                    receiver_polls(c->receiver));
    progress_end(c->progress);
}

static int add_sources(struct consumer *c)
{
    sd_event *event = service_event(c->service);
    int r = timer_init(&c->timer, event, USEC_PER_MSEC, on_timer, c);

    if (r >= 0)
        r = sd_event_add_defer(event, &c->wake, on_wake, c);
    if (r >= 0)
        r = sd_event_source_set_enabled(c->wake, SD_EVENT_OFF);
    return r;
}

static int open_ledger(struct consumer *c, char **error)
{
    struct ledger_limits limits = ledger_limits_of(c->config);
    CLEANUP(free) char *path = NULL, *line = NULL;
    int r;

    if (!handler_kind_of(c->config)->uses_ledger || limits.max_messages == 0)
        return 0;
    r = state_directory_path(LEDGER_FILE, &path, &line);
    if (r == 0)
        r = ledger_open(path, &limits, &c->ledger, &line);
    if (r < 0 && line)
        log_error("%s.", line);
    if (r > 0) {
        *error = TAKE(line);
        return CONSUMER_E_CONFIG;
    }
    if (r == 0 && ledger_count(c->ledger) > 0)
        log_info("Messages in the ledger, which were handled and perhaps not deleted: %ju.",
                 (uintmax_t)ledger_count(c->ledger));
    return r;
}

int consumer_new(struct service *service, const struct config *config, struct handler *handler,
                 struct consumer **ret, char **error)
{
    CLEANUP(consumer_free) struct consumer *c = calloc(1, sizeof(*c));
    int r;

    if (!c) {
        handler_free(handler);
        return -ENOMEM;
    }
    c->service = service;
    c->config = config;
    c->handler = handler;
    c->exit_status = EXIT_SUCCESS;
    c->had_capacity = true;
    c->budget = MEMORY_BUDGET_INIT(consumer_reply_memory_bytes(c));
    r = add_sources(c);
    if (r >= 0)
        r = open_ledger(c, error);
    if (r != 0)
        return r;
    r = queue_open(service, config,
                   &(struct queue_options){
                       .name = CONSUMER_NAME,
                       .permissions = CONSUMER_PERMISSIONS,
                       .reply_memory_bytes = consumer_reply_memory_bytes(c),
                       .opened = on_opened,
                       .replied = on_replied,
                       .refreshed = consumer_on_refreshed,
                       .userdata = c,
                   },
                   &c->queue, error);
    if (r != 0)
        return r < 0 ? r : CONSUMER_E_CONFIG;
    service_on_stop(service, &(struct service_stop){
                                 .timeout_usec = config->consumer.stop_timeout_usec,
                                 .begin = on_stop,
                                 .cut_short = log_what_is_left,
                                 .userdata = c,
                             });
    service_on_watch(service, what_stalls, c);
    *ret = TAKE(c);
    return 0;
}

int consumer_prepare(struct consumer *c, const struct config *next, char **error)
{
    const struct handler_ops *ops = c->handler->ops;
    int r = ops->prepare ? ops->prepare(c->handler, next, error) : 0;

    return r > 0 ? CONSUMER_E_CONFIG : r;
}

static void reconfigure_work(struct consumer *c)
{
    struct inflight_options options;

    consumer_reconfigure_receiving(c);
    options = inflight_options_of(c);
    inflight_reconfigure(c->inflight, &options);
    consumer_request_dispatch(c);
}

int consumer_reconfigure(struct consumer *c, const char *ca_bundle)
{
    int r;

    if (c->is_over)
        return 0;
    r = queue_reconfigure(c->queue, ca_bundle, consumer_reply_memory_bytes(c));
    service_set_stop_timeout(c->service, c->config->consumer.stop_timeout_usec);
    c->budget.max_bytes = consumer_reply_memory_bytes(c);
    if (c->ledger) {
        struct ledger_limits limits = ledger_limits_of(c->config);

        ledger_set_limits(c->ledger, &limits);
    }
    if (c->handler->ops->reconfigure)
        c->handler->ops->reconfigure(c->handler);
    if (c->receiver)
        reconfigure_work(c);
    return r;
}

const struct aws_effective_settings *consumer_aws_settings(const struct consumer *c)
{
    return queue_aws_settings(c->queue);
}

struct consumer *consumer_free(struct consumer *c)
{
    if (!c)
        return NULL;
    progress_free(c->progress);
    receiver_free(c->receiver);
    inflight_free(c->inflight);
    ledger_free(c->ledger);
    queue_free(c->queue);
    timer_done(&c->timer);
    sd_event_source_disable_unref(c->wake);
    handler_free(c->handler);
    free(c);
    return NULL;
}
