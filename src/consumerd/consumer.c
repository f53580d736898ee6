/* See consumer.h.
 *
 * All that there is to do is done in turns: what is due for the messages in hand, polls to start,
 * the end. Callbacks only note what has happened and ask for a turn, which then comes from the
 * event loop, or after the callbacks of the replies that came together; one timer waits for
 * whatever is due first. */
#include "consumer.h"

#include <errno.h>
#include <inttypes.h>

#include "budget.h"
#include "clock.h"
#include "hand.h"
#include "handlers.h"
#include "log.h"
#include "message-ids.h"
#include "progress.h"
#include "line-limit.h"
#include "receiver.h"
#include "state-directory.h"
#include "timer.h"

#define LEDGER_FILE "ledger.db" /* in $STATE_DIRECTORY */

/* Before the stop's end, what is still being handled is to end, and is given back: this long
 * before, but not more than a quarter of the whole. Half of it is for the ending, half for the
 * giving back. */
#define STOP_RELEASE_USEC (6 * USEC_PER_SEC)

/* From the beginning of a stop, for the log to take the lines that messages wait for. One that does
 * not by then is stalled, and may be for ever. */
#define STOP_LINES_USEC (1 * USEC_PER_SEC)

/* After a resource shortage (ENOMEM, EMFILE): before the next try. */
#define LACK_PAUSE_USEC (1 * USEC_PER_SEC)

struct consumer {
    struct service *service;
    const struct config *config;
    struct queue *queue;
    struct handler *handler;
    struct ledger *ledger; /* NULL: none */
    struct timer timer;    /* waits for whatever is due first */
    sd_event_source *wake;

    struct hand *hand;         /* NULL until the queue is open */
    struct receiver *receiver; /* the same */
    struct progress *progress; /* the same */
    unsigned visibility_sec;
    struct budget budget;     /* of the replies whose messages are in hand, or asked for */
    uint64_t room_since_usec; /* see struct receiver_room */
    bool had_room;
    uint64_t n_empty_in_a_row;
    bool is_status_due;
    struct line_limit shortage_limit;

    bool is_stopping, is_over;
    bool has_ended_lines, has_cancelled;
    uint64_t lines_usec;  /* when what waits for the log is to end */
    uint64_t cancel_usec; /* when what is still being handled is to end */
    uint64_t stop_end_usec;
    int exit_status;
};

static void fail(struct consumer *c, int error, const char *what)
{
    c->is_over = true;
    log_error("%s: %s.", what, strerror(-error));
    progress_end(c->progress);
    service_exit(c->service, EX_OSERR);
}

/* Resource shortages usually pass, and waiting loses nothing. */
static void say_shortage(struct consumer *c, int error, const char *what)
{
    if (line_limit_take(&c->shortage_limit, "", 1, clock_boot_usec(), NULL))
        log_error("Cannot %s at the moment, trying again: %s.", what, strerror(-error));
}

static void ask_for_turn(struct consumer *c)
{
    int r = sd_event_source_set_enabled(c->wake, SD_EVENT_ONESHOT);

    if (r < 0)
        fail(c, r, "Cannot go on");
}

static void on_hand_changed(void *userdata)
{
    struct consumer *c = userdata;

    c->is_status_due = true;
    ask_for_turn(c);
}

static void show_status(struct consumer *c)
{
    struct hand_counts counts = hand_count(c->hand);
    const struct counts *totals = hand_totals(c->hand);

    c->is_status_due = false;
    if (c->is_stopping && !c->is_over)
        service_status(c->service,
                       "Stopping: %zu receives under way, %zu messages being handled, %zu to "
                       "delete, %zu to release",
                       receiver_polls(c->receiver), counts.handling, counts.deleting,
                       counts.releasing);
    else if (counts.away_usec > 0)
        service_status(c->service,
                       "Received %" PRIu64 ", deleted %" PRIu64
                       ", %zu in flight; the handler is not "
                       "reached for %" PRIu64 " s now: %s",
                       totals->received, totals->deleted, counts.messages,
                       counts.away_usec / USEC_PER_SEC, counts.away);
    else if (counts.messages > 1)
        service_status(c->service, "Received %" PRIu64 ", deleted %" PRIu64 ", %zu in hand",
                       totals->received, totals->deleted, counts.messages);
    else
        service_status(c->service, "Received %" PRIu64 ", deleted %" PRIu64, totals->received,
                       totals->deleted);
}

/* --- Receiving --- */

/* Half of what is received, the other half is for replies that are coming. */
static size_t half_of_memory(const struct consumer *c)
{
    return (size_t)(c->config->consumer.receive_memory / 2);
}

static void on_received(void *userdata, const struct sqs_result *result)
{
    struct consumer *c = userdata;
    struct sqs_reply *reply = result->reply;
    struct hand_counts counts = hand_count(c->hand);

    on_hand_changed(c);
    if (!reply)
        return;
    if (reply->n_messages > 0)
        budget_received(&c->budget, reply->bytes, reply->n_messages);
    /* While messages are in hand, given back with a delay that is not over, or given to a receive
     * whose reply was lost, they may be why they and the rest of their groups do not come. */
    if (reply->n_messages > 0)
        c->n_empty_in_a_row = 0;
    else if (counts.messages == 0 &&
             result->sent_usec >= MAX(counts.back_usec, receiver_back_usec(c->receiver)))
        c->n_empty_in_a_row++;
    log_write(LOG_INFO, NULL, LOG_FIELDS({"SQS_REQUEST_ID", result->request_id}),
              "Number of messages received: %zu", reply->n_messages);
    hand_set_lease(c->hand, receiver_lease_sec(c->receiver), c->visibility_sec);
    hand_take(c->hand, reply, result->sent_usec);
}

static bool is_drained(const struct consumer *c)
{
    uint64_t limit = c->config->consumer.exit_after_empty_receives;

    return limit > 0 && c->n_empty_in_a_row >= limit;
}

/* How many messages may be in hand. On a FIFO queue a receive may bring nothing but messages of one
 * group, of which one is handled at a time, and SQS gives no more of that group meanwhile: with so
 * many for each place, a place that is free always means that others may be received. */
static size_t hold_max(const struct consumer *c)
{
    size_t concurrency = c->config->consumer.concurrency;
    size_t max_messages = c->config->consumer.max_messages;

    return queue_is_fifo(c->queue) ? concurrency * max_messages : MAX(concurrency, max_messages);
}

static size_t difference(size_t a, size_t b)
{
    return a > b ? a - b : 0;
}

/* Receives for what there is room for. Returns when to look again. */
static uint64_t poll(struct consumer *c)
{
    struct hand_counts counts = hand_count(c->hand);
    size_t concurrency = c->config->consumer.concurrency;
    size_t promised = receiver_promised(c->receiver);
    uint64_t now_usec = clock_boot_usec(), next_usec = USEC_INFINITY;
    struct receiver_room room = {
        .begin = difference(concurrency, counts.wanted + promised),
        .hold = difference(hold_max(c), counts.messages + promised),
    };
    size_t affordable = budget_messages(&c->budget, counts.bytes, promised);
    /* Never full with nothing in hand. */
    bool is_full = budget_messages(&c->budget, counts.bytes, 0) == 0;
    bool may_receive = !is_full && !counts.is_paused;
    bool has_room =
        counts.wanted < concurrency && may_receive; /* promised to a poll is still room */
    int r;

    if (is_drained(c) && !c->is_stopping)
        return USEC_INFINITY;
    queue_set_held(c->queue, counts.bytes);
    room.hold = MIN(room.hold, affordable);
    if (!may_receive)
        room.begin = room.hold = 0;
    if (has_room && !c->had_room)
        c->room_since_usec = now_usec;
    c->had_room = has_room;
    room.since_usec = c->room_since_usec;
    r = receiver_turn(c->receiver, &room, now_usec, &next_usec);
    if (r < 0) {
        say_shortage(c, r, "receive");
        return now_usec + LACK_PAUSE_USEC;
    }
    return next_usec;
}

/* --- Turns --- */

/* A little after the stop's beginning. Returns when that is. */
static uint64_t end_lines_if_late(struct consumer *c)
{
    size_t n;

    if (!c->is_stopping || c->has_ended_lines || hand_count(c->hand).handling == 0)
        return USEC_INFINITY;
    if (clock_boot_usec() < c->lines_usec)
        return c->lines_usec;
    c->has_ended_lines = true;
    n = hand_end_lines(c->hand);
    if (n == 0)
        return USEC_INFINITY;
    log_warning("The log takes no lines: releasing %zu message%s that wait for that.", n,
                n == 1 ? "" : "s");
    c->exit_status = EXIT_STOPPED_SHORT;
    return USEC_INFINITY;
}

/* Near the stop's end. Returns when that is. */
static uint64_t cancel_if_late(struct consumer *c)
{
    uint64_t now_usec;
    size_t n;

    if (!c->is_stopping || c->has_cancelled || hand_count(c->hand).handling == 0)
        return USEC_INFINITY;
    now_usec = clock_boot_usec();
    if (now_usec < c->cancel_usec)
        return c->cancel_usec;
    c->has_cancelled = true;
    n = hand_end(c->hand, (c->stop_end_usec - MIN(now_usec, c->stop_end_usec)) / 2);
    log_warning(
        "The stop takes too long: ending the work on %zu message%s, to release what does not "
        "get done.",
        n, n == 1 ? "" : "s");
    c->exit_status = EXIT_STOPPED_SHORT;
    return USEC_INFINITY;
}

static void wait_until(struct consumer *c, uint64_t usec)
{
    int r = timer_set(&c->timer, usec);

    if (r < 0)
        fail(c, r, "Cannot wait");
}

static void end(struct consumer *c, const char *why)
{
    c->is_over = true;
    if (c->hand)
        show_status(c);
    progress_end(c->progress);
    log_write(LOG_INFO, service_is_stopping(c->service) ? MESSAGE_ID_STOPPED : MESSAGE_ID_FINISHED,
              LOG_NO_FIELDS, "%sTerminated!", why);
    service_exit(c->service, c->exit_status);
}

static bool end_if_done(struct consumer *c)
{
    if (hand_count(c->hand).messages > 0 || receiver_polls(c->receiver) > 0 ||
        (!c->is_stopping && !is_drained(c)))
        return false;
    if (receiver_left(c->receiver) > 0)
        c->exit_status = EXIT_STOPPED_SHORT;
    end(c, c->is_stopping ? "" : "The queue stays empty. ");
    return true;
}

/* At a stop, until its last part: then what is in hand is released whatever is received. */
static void note_receiving(struct consumer *c)
{
    hand_set_receiving(c->hand, c->is_stopping && receiver_polls(c->receiver) > 0 &&
                                    clock_boot_usec() < c->cancel_usec);
}

static void turn_once(struct consumer *c)
{
    uint64_t late_usec = MIN(end_lines_if_late(c), cancel_if_late(c)), hand_usec, poll_usec;
    int r;

    note_receiving(c);
    r = hand_turn(c->hand, &hand_usec);
    if (r < 0)
        say_shortage(c, r, "send to SQS");
    poll_usec = poll(c);
    note_receiving(c); /* a poll may have been given up */
    progress_look(c->progress);
    if (end_if_done(c))
        return;
    if (c->is_status_due)
        show_status(c);
    wait_until(c, MIN(MIN(hand_usec, poll_usec), late_usec));
}

/* The turn that was asked for, if any, without a round of the loop. */
static void turn_if_asked(struct consumer *c)
{
    if (c->is_over || sd_event_source_get_enabled(c->wake, NULL) <= 0)
        return;
    sd_event_source_set_enabled(c->wake, SD_EVENT_OFF);
    turn_once(c);
}

/* A turn may itself be what asks for the next: so does a handler that is done at once. */
static void turn(struct consumer *c)
{
    turn_once(c);
    turn_if_asked(c);
}

static void on_timer(void *userdata)
{
    turn(userdata);
}

static int on_wake(sd_event_source *source, void *userdata)
{
    turn(userdata);
    return 0;
}

/* As `turn`, for what the replies have brought. */
static void on_replied(void *userdata)
{
    turn_if_asked(userdata);
    turn_if_asked(userdata);
}

/* What must hold between two turns of the loop. */
static const char *what_hangs(void *userdata, uint64_t now_usec)
{
    struct consumer *c = userdata;
    const char *hangs = queue_what_hangs(c->queue, now_usec);

    /* A turn that was asked for comes at once. */
    if (hangs || !c->receiver || c->is_over || sd_event_source_get_enabled(c->wake, NULL) > 0)
        return hangs;
    if (timer_is_set(&c->timer))
        return now_usec - MIN(now_usec, timer_usec(&c->timer)) > SERVICE_LATE_MAX_USEC
                   ? "something was due for the messages in hand, and was not done"
                   : NULL;
    if (receiver_polls(c->receiver) > 0)
        return NULL;
    return hand_count(c->hand).messages > 0 ? NULL : "nothing is received, and nothing is in hand";
}

/* --- Life --- */

static unsigned visibility_sec(const struct consumer *c)
{
    unsigned sec = (unsigned)(c->config->consumer.visibility_timeout_usec / USEC_PER_SEC);

    if (sec == 0)
        sec = queue_attributes(c->queue)->visibility_timeout_sec;
    /* A queue whose default is 0 hides nothing from other consumers: SQS's own default then. */
    return sec > 0 ? sec : 30;
}

/* From the beginning of a stop until what is still being handled is to end. */
static uint64_t until_cancel_usec(const struct consumer *c)
{
    uint64_t timeout_usec = c->config->consumer.stop_timeout_usec;

    return timeout_usec - MIN(STOP_RELEASE_USEC, timeout_usec / 4);
}

/* A lease is counted from before its receive: one that waits longer than the lease lasts would
 * bring messages whose lease is over. And a stop lets receives end: one that were cut off might be
 * given messages all the same. */
static unsigned wait_sec(const struct consumer *c, unsigned visibility)
{
    uint64_t stop_usec = until_cancel_usec(c);
    unsigned sec = (unsigned)(c->config->consumer.wait_time_usec / USEC_PER_SEC);
    unsigned by_lease = MAX(visibility / 2, 1U);
    unsigned by_stop =
        (unsigned)((stop_usec - MIN(RECEIVER_POLL_MARGIN_USEC, stop_usec)) / USEC_PER_SEC);
    unsigned max = MIN(by_lease, MAX(by_stop, 1U));

    if (sec > max)
        log_notice("Receives wait %u s and not the %u s of consumer.wait_time: %s.", max, sec,
                   max == by_lease ? "half of the visibility timeout"
                                   : "consumer.stop_timeout leaves no more time for one to end");
    return MIN(sec, max);
}

static void describe_counts(void *userdata, struct buffer *line, const void *before)
{
    struct consumer *c = userdata;

    counts_append(line, hand_totals(c->hand), before);
    buffer_printf(line, "; in flight: %zu", hand_count(c->hand).messages);
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
                            .counts = hand_totals(c->hand),
                            .size = sizeof(struct counts),
                            .describe = describe_counts,
                            .userdata = c,
                        },
                        &c->progress);
}

static int set_up(struct consumer *c)
{
    const struct config *config = c->config;
    unsigned visibility = c->visibility_sec = visibility_sec(c);
    int r = hand_new(c->queue, c->handler, c->ledger,
                     &(struct hand_options){
                         .is_fifo = queue_is_fifo(c->queue),
                         .visibility_sec = visibility,
                         .concurrency = config->consumer.concurrency,
                         .delete_linger_usec = config->consumer.delete_linger_usec,
                         .retry_delay_usec = config->consumer.retry_delay_usec,
                         .retry_delay_max_usec = config->consumer.retry_delay_max_usec,
                     },
                     on_hand_changed, c, &c->hand);

    if (r >= 0)
        r = begin_progress(c);
    if (r < 0)
        return r;
    return receiver_new(c->queue,
                        &(struct receiver_options){
                            .is_fifo = queue_is_fifo(c->queue),
                            .polls = config->consumer.receivers,
                            .max_messages = config->consumer.max_messages,
                            .wait_sec = wait_sec(c, visibility),
                            .visibility_sec = visibility,
                            .pause_usec = config->consumer.receive_interval_usec,
                        },
                        clock_boot_usec() + config->consumer.start_delay_usec, on_received, c,
                        &c->receiver);
}

static void on_opened(void *userdata)
{
    struct consumer *c = userdata;
    int r = set_up(c);

    if (r < 0)
        fail(c, r, "Cannot begin");
    else
        on_hand_changed(c);
}

/* An administrator may change the queue's visibility timeout. */
static void on_refreshed(void *userdata)
{
    struct consumer *c = userdata;
    unsigned visibility = visibility_sec(c);

    if (!c->receiver || visibility == c->visibility_sec)
        return;
    log_notice("The queue's visibility timeout has changed: messages are leased for %u s now, and "
               "no longer for %u s.",
               visibility, c->visibility_sec);
    c->visibility_sec = visibility;
    receiver_set_times(c->receiver, wait_sec(c, visibility), visibility);
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
    c->cancel_usec = now_usec + until_cancel_usec(c);
    c->lines_usec = MIN(now_usec + STOP_LINES_USEC, c->cancel_usec);
    c->stop_end_usec = now_usec + timeout_usec;
    note_receiving(c);
    hand_stop(c->hand, c->stop_end_usec);
    receiver_stop(c->receiver, now_usec, c->cancel_usec);
    ask_for_turn(c);
}

static void say_what_is_left(void *userdata)
{
    struct consumer *c = userdata;
    struct hand_counts counts = {};

    if (c->hand)
        counts = hand_count(c->hand);
    if (counts.messages > 0)
        log_warning("Left: %zu messages with the handler, %zu handled but not deleted, %zu not "
                    "released; they come back when their visibility timeout ends.",
                    counts.handling, counts.deleting, counts.releasing);
    if (c->receiver && receiver_polls(c->receiver) > 0)
        log_warning("Left: %zu receives; what they were given comes back when its visibility "
                    "timeout ends.",
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

/* For handlers that act on something outside: there, to handle a message twice would show. */
static int open_ledger(struct consumer *c, char **error)
{
    struct ledger_limits limits = {
        .max_messages = c->config->consumer.ledger_max_messages,
        .max_age_usec = c->config->consumer.ledger_max_age_usec,
    };
    CLEANUP(free) char *path = NULL, *line = NULL;
    int r;

    if (c->config->consumer.handler == CONFIG_HANDLER_JOURNAL || limits.max_messages == 0)
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
        log_info("Messages handled, and perhaps not deleted: %ju.",
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
    c->had_room = true;
    c->budget = BUDGET_INIT(half_of_memory(c));
    r = add_sources(c);
    if (r >= 0)
        r = open_ledger(c, error);
    if (r != 0)
        return r;
    r = queue_open(service, config,
                   &(struct queue_options){
                       .name = "sqs-consumerd",
                       .permissions = CONSUMER_PERMISSIONS,
                       .reply_memory_bytes = half_of_memory(c),
                       .opened = on_opened,
                       .replied = on_replied,
                       .refreshed = on_refreshed,
                       .userdata = c,
                   },
                   &c->queue, error);
    if (r != 0)
        return r < 0 ? r : CONSUMER_E_CONFIG;
    service_on_stop(service, &(struct service_stop){
                                 .timeout_usec = config->consumer.stop_timeout_usec,
                                 .begin = on_stop,
                                 .cut_short = say_what_is_left,
                                 .userdata = c,
                             });
    service_on_watch(service, what_hangs, c);
    *ret = TAKE(c);
    return 0;
}

struct consumer *consumer_free(struct consumer *c)
{
    if (!c)
        return NULL;
    progress_free(c->progress);
    receiver_free(c->receiver);
    hand_free(c->hand);
    ledger_free(c->ledger);
    queue_free(c->queue);
    timer_done(&c->timer);
    sd_event_source_disable_unref(c->wake);
    handler_free(c->handler);
    free(c);
    return NULL;
}
