/* See producer.h. `pump` is the heart: whenever something has changed (the source has a message, an
 * answer came, a time is over), it sends batches as long as there is a free request and something
 * to put into it. Messages are asked from the source only when a free request has room for them, so
 * that nothing grows old in here. */
#include "producer.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "batcher.h"
#include "clock.h"
#include "counts.h"
#include "doubt.h"
#include "log.h"
#include "message-ids.h"
#include "outcome.h"
#include "producer-log.h"
#include "progress.h"
#include "random.h"
#include "sender.h"
#include "sources.h"
#include "timer.h"

enum {
    /* Messages in a row that may be put aside before the loop gets its turn again. */
    INVALID_RUN_MAX = 100,
    STATUS_MAX_BYTES = 1024,
};

/* Replies to sends are short; this is against servers whose are not. */
#define REPLY_MEMORY_BYTES ((size_t)64 * 1024 * 1024)

/* Before the next try, where this machine lacks something: memory, mostly. */
#define LACK_PAUSE_USEC (1 * USEC_PER_SEC)

struct producer {
    struct service *service;
    const struct config *config;
    struct queue *queue;
    const struct source_kind *source_kind;
    struct source *source;
    struct lanes *lanes;
    struct batcher *batcher;
    struct sender *sender;
    struct timer timer;

    struct outgoing *messages, *free_message;
    size_t n_messages_max, n_messages; /* taken from the source and not settled */

    const struct source_message *given; /* by the source, and not taken up yet for a lack */
    uint64_t lack_until_usec;           /* a pause for a lack ends then */
    struct line_limit lack_limit;       /* see log_cannot */
    size_t message_bytes_max;
    bool size_is_asked; /* the message given waits for the queue's maximum message size */
    bool source_waits;  /* it has nothing now and will say when it has */
    bool source_has_ended;
    bool is_over;
    unsigned n_invalid_run;
    struct counts counts;
    struct progress *progress; /* NULL until the queue is open */
    struct line_limit again_limit;
    struct line_limit late_limit;
};

static uint64_t now_usec(struct producer *p)
{
    return clock_loop_usec(service_event(p->service));
}

static void show_status(struct producer *p)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(STATUS_MAX_BYTES);

    if (service_is_stopping(p->service) && !p->is_over)
        buffer_printf(&b, "Stopping: %zu messages left", p->n_messages);
    else if (p->source_kind->has_end && p->config->producer.messages_to_send > 0)
        buffer_printf(&b, "Sent %" PRIu64 " of %" PRIu64, p->counts.sent,
                      p->config->producer.messages_to_send);
    else
        buffer_printf(&b, "Sent %" PRIu64, p->counts.sent);
    if (p->source && p->source->ops->describe) {
        buffer_append_string(&b, "; ");
        p->source->ops->describe(p->source, &b);
    }
    service_status(p->service, "%s", buffer_string(&b));
}

static void end(struct producer *p)
{
    p->is_over = true;
    show_status(p);
    log_late_total(p->counts.late);
    progress_end(p->progress);
    log_write(LOG_INFO, service_is_stopping(p->service) ? MESSAGE_ID_STOPPED : MESSAGE_ID_FINISHED,
              LOG_NO_FIELDS, "Terminated!");
    service_exit(p->service, EXIT_SUCCESS);
}

static void say_what_is_left(void *userdata)
{
    struct producer *p = userdata;
    size_t n_unknown = 0;

    p->is_over = true;
    for (size_t i = 0; i < p->n_messages_max && p->messages; i++)
        if (p->messages[i].source && outgoing_state_is_unknown(p->messages[i].state))
            n_unknown++;
    log_left(n_unknown, p->n_messages - n_unknown, p->source_kind->is_lasting);
    log_late_total(p->counts.late);
    progress_end(p->progress);
}

static void fail(struct producer *p, int error, const char *what)
{
    log_error("%s: %s.", what, strerror(-error));
    say_what_is_left(p);
    /* A damaged file is as damaged at the next start. */
    service_exit(p->service, error == -EUCLEAN ? EX_CONFIG : EX_OSERR);
}

static bool is_pausing(struct producer *p)
{
    return now_usec(p) < p->lack_until_usec;
}

/* What lacks now may be there later, and nothing that is in hand is lost by waiting. */
static void pause_for_lack(struct producer *p, int error, const char *what)
{
    p->lack_until_usec = now_usec(p) + LACK_PAUSE_USEC;
    log_cannot(&p->lack_limit, what, error, now_usec(p));
}

/* --- From the source into the lanes --- */

/* It is the source's again, and its place in the pool is free. */
static void settle(struct producer *p, struct outgoing *m, enum source_settlement settlement,
                   const char *reason)
{
    const struct source_message *source = TAKE(m->source);

    if (settlement == SOURCE_SENT)
        p->counts.sent++;
    else
        p->counts.rejected++;
    m->next = p->free_message;
    p->free_message = m;
    p->n_messages--;
    p->source->ops->settle(p->source, source, settlement, reason);
}

/* Something has happened to a message: does what follows. `due_usec`: of one that goes again, not
 * before. `reason`: of one that is rejected. */
static void apply(struct producer *p, struct outgoing *m, enum outgoing_event event,
                  uint64_t due_usec, const char *reason)
{
    enum outgoing_action action = outgoing_apply(m, event);
    bool is_sent = m->state == OUTGOING_SENT;

    switch (action) {
    case OUTGOING_IMPOSSIBLE:
    case DO_NOTHING:
        break;
    case DO_QUEUE:
        lanes_add(p->lanes, m);
        break;
    case DO_REQUEUE:
    case DO_REQUEUE_ALONE:
        lanes_again(p->lanes, m, due_usec);
        break;
    case DO_SETTLE:
        lanes_done(p->lanes, m);
        settle(p, m, is_sent ? SOURCE_SENT : SOURCE_REJECTED, reason);
        break;
    case DO_REFUSE:
        settle(p, m, SOURCE_REJECTED, reason);
        break;
    }
}

/* Whether it would be rejected for its size alone, and the queue is asked whether that still holds.
 */
static bool is_size_in_question(struct producer *p, const struct source_message *source)
{
    size_t bytes = sqs_message_bytes(&source->message);

    return bytes > p->message_bytes_max && bytes <= SQS_MESSAGE_MAX_BYTES &&
           queue_refresh(p->queue);
}

static int take_up(struct producer *p, const struct source_message *source)
{
    CLEANUP(free) char *error = NULL;
    struct outgoing *m = p->free_message;
    bool is_in_doubt;
    int r =
        sqs_message_check(&source->message, queue_is_fifo(p->queue), p->message_bytes_max, &error);

    if (r < 0)
        return r;
    p->free_message = m->next;
    *m = (struct outgoing){.source = source, .bytes = sqs_message_bytes(&source->message)};
    p->n_messages++;
    if (r > 0) {
        log_invalid(source, error);
        p->n_invalid_run++;
        apply(p, m, ON_INVALID, 0, error);
        return 0;
    }
    is_in_doubt = doubt_begin(m, clock_wall_usec(), now_usec(p));
    p->counts.taken++;
    apply(p, m, is_in_doubt ? ON_VALID_IN_DOUBT : ON_VALID, 0, NULL);
    return 0;
}

/* The batcher's supply. */
static enum batcher_supply supply(void *userdata)
{
    struct producer *p = userdata;
    int r = 0;

    if (p->is_over || p->source_has_ended || service_is_stopping(p->service))
        return SUPPLY_NO_MORE;
    if (p->n_messages == p->n_messages_max)
        return sender_under_way(p->sender) > 0 ? SUPPLY_LATER : SUPPLY_NO_MORE;
    if (p->size_is_asked || p->source_waits || p->n_invalid_run == INVALID_RUN_MAX || is_pausing(p))
        return SUPPLY_LATER;
    if (!p->given)
        r = p->source->ops->next(p->source, &p->given);
    if (r == 0 && is_size_in_question(p, p->given)) {
        p->size_is_asked = true;
        return SUPPLY_LATER;
    }
    if (r == 0)
        r = take_up(p, p->given);
    if (r == 0)
        p->given = NULL;
    if (r == -ENOMEM) {
        pause_for_lack(p, r, "take up a message");
        return SUPPLY_LATER;
    }
    if (r < 0)
        fail(p, r, "Cannot take up a message");
    p->source_waits = r == SOURCE_E_NOT_YET;
    p->source_has_ended = r == SOURCE_E_END;
    return r == 0 ? SUPPLY_ADDED : r == SOURCE_E_NOT_YET ? SUPPLY_LATER : SUPPLY_NO_MORE;
}

/* --- What became of them --- */

static void settle_sent_and_rejected(struct producer *p, const struct batch *batch,
                                     const struct outcome *outcomes,
                                     const struct sqs_result *result)
{
    for (size_t i = 0; i < batch->n; i++) {
        struct outgoing *m = batch->messages[i];

        /* Perhaps for its size: then others are refused before they are taken in. */
        if (outcomes[i].kind == OUTCOME_REJECTED || outcomes[i].kind == OUTCOME_ALONE)
            (void)queue_refresh(p->queue);
        if (outcomes[i].kind == OUTCOME_SENT) {
            log_sent(m, &outcomes[i], result);
            apply(p, m, ON_SENT, 0, NULL);
        } else if (outcomes[i].kind == OUTCOME_REJECTED) {
            log_rejected(m, &outcomes[i], result);
            apply(p, m, ON_REJECTED, 0, outcomes[i].text);
        }
    }
}

/* Returns the pause before its next try. */
static uint64_t send_again(struct producer *p, struct outgoing *m, const struct outcome *outcome,
                           uint64_t random)
{
    unsigned failures = outgoing_failed(m, outcome->backoff);
    uint64_t delay_usec =
        backoff_delay_usec(outcome->backoff, failures, true, USEC_INFINITY, random);

    p->counts.resent++;
    apply(p, m, outcome->is_unknown ? ON_UNKNOWN : ON_FAILED, now_usec(p) + delay_usec, NULL);
    return delay_usec;
}

/* From the last to the first, for each goes to the front of its lane. Those of one reply have the
 * same random number, so that they come back together and share a batch again. */
static void keep_the_others(struct producer *p, const struct batch *batch, uint64_t sent_usec,
                            const struct outcome *outcomes, const struct sqs_result *result)
{
    uint64_t random = random_u64(), delay_usec = 0;
    const struct outcome *again = NULL;
    size_t n_again = 0;

    for (size_t i = batch->n; i-- > 0;) {
        struct outgoing *m = batch->messages[i];

        if (outcomes[i].kind != OUTCOME_ALONE && outcomes[i].kind != OUTCOME_AGAIN)
            continue; /* it is settled */
        if (outcomes[i].is_unknown)
            doubt_note(m, sent_usec);
        if (outcomes[i].kind == OUTCOME_ALONE) {
            apply(p, m, outcomes[i].is_unknown ? ON_BATCH_REFUSED_UNKNOWN : ON_BATCH_REFUSED, 0,
                  NULL);
        } else {
            uint64_t delay = send_again(p, m, &outcomes[i], random);

            again = &outcomes[i];
            n_again++;
            delay_usec = MAX(delay_usec, delay);
        }
    }
    if (again)
        log_again(&p->again_limit, again, n_again, batch->n, result, delay_usec, now_usec(p));
    else
        log_refused(batch->n, outcomes, result);
}

static void pump(struct producer *p);

static void on_answer(void *userdata, const struct batch *batch, uint64_t sent_usec,
                      const struct sqs_result *result)
{
    struct producer *p = userdata;
    struct outcome outcomes[SQS_BATCH_MAX];
    bool has_others = false;

    for (size_t i = 0; i < batch->n; i++) {
        outcome_of(result, batch->n, i, &outcomes[i]);
        has_others =
            has_others || outcomes[i].kind == OUTCOME_AGAIN || outcomes[i].kind == OUTCOME_ALONE;
    }
    if (result->reply)
        batcher_got_through(p->batcher, batch->n);
    settle_sent_and_rejected(p, batch, outcomes, result);
    if (has_others)
        keep_the_others(p, batch, sent_usec, outcomes, result);
    show_status(p);
    pump(p);
}

/* --- Sending --- */

static void on_stalled(void *userdata)
{
    struct producer *p = userdata;

    batcher_stalled(p->batcher);
}

static void on_late(void *userdata, const struct outgoing *m)
{
    struct producer *p = userdata;

    p->counts.late++;
    log_late(&p->late_limit, m, now_usec(p));
}

/* Of a stop, or of a source that has ended. */
static bool is_done(const struct producer *p)
{
    const struct source_ops *ops = p->source ? p->source->ops : NULL;

    if (p->n_messages > 0)
        return false;
    if (!service_is_stopping(p->service))
        return p->source_has_ended;
    return !ops || !ops->has_stopped || ops->has_stopped(p->source);
}

/* A batch that could not even be sent goes to the front of its lanes. */
static void put_back(struct producer *p, const struct batch *batch)
{
    for (size_t i = batch->n; i-- > 0;)
        lanes_again(p->lanes, batch->messages[i], 0);
}

/* Sends what can be sent; returns when to look again. */
static uint64_t send_all(struct producer *p)
{
    uint64_t now = now_usec(p), again_usec = USEC_INFINITY;

    while (sender_is_free(p->sender) && !p->is_over && !is_pausing(p)) {
        struct batch batch;
        int r = batcher_next(p->batcher, now, &batch, &again_usec);

        if (r > 0 || p->is_over)
            break;
        again_usec = USEC_INFINITY;
        r = sender_send(p->sender, &batch);
        if (r < 0) {
            put_back(p, &batch);
            pause_for_lack(p, r, "send");
        }
    }
    if (p->n_invalid_run == INVALID_RUN_MAX)
        again_usec = now;
    p->n_invalid_run = 0;
    return is_pausing(p) ? MIN(again_usec, p->lack_until_usec) : again_usec;
}

static void pump(struct producer *p)
{
    uint64_t again_usec;
    int r;

    if (p->is_over)
        return;
    again_usec = send_all(p);
    progress_look(p->progress);
    r = timer_set(&p->timer, again_usec);
    if (r < 0)
        fail(p, r, "Cannot wait");
    if (p->is_over)
        return;
    if (is_done(p))
        end(p);
    /* What is in hand is under way, or a time is set for it: else it would wait for ever. */
    assert(p->n_messages == 0 || sender_under_way(p->sender) > 0 || again_usec < USEC_INFINITY);
}

static void on_timer(void *userdata)
{
    pump(userdata);
}

static void on_source_ready(void *userdata)
{
    struct producer *p = userdata;

    p->source_waits = false;
    if (p->source->ops->describe && !p->is_over)
        show_status(p);
    if (p->sender)
        pump(p);
    else if (service_is_stopping(p->service) && !p->is_over && is_done(p))
        end(p);
}

/* What must hold between two turns of the loop. */
static const char *what_hangs(void *userdata, uint64_t now)
{
    struct producer *p = userdata;
    const char *hangs = queue_what_hangs(p->queue, now);

    if (hangs || !p->sender || p->is_over)
        return hangs;
    if (timer_is_set(&p->timer))
        return now - MIN(now, timer_usec(&p->timer)) > SERVICE_LATE_MAX_USEC
                   ? "the time to send is over, and nothing was sent"
                   : NULL;
    if (sender_under_way(p->sender) > 0)
        return NULL;
    if (p->n_messages > 0)
        return "messages are in hand, and nothing is done about them";
    if (service_is_stopping(p->service)) /* the source has its part to do; the stop has its time */
        return NULL;
    return p->source_waits || p->size_is_asked ? NULL : "the source is not asked for messages";
}

/* --- Start and stop --- */

static int make_room(struct producer *p)
{
    p->n_messages_max = (size_t)p->config->producer.max_connections *
                        p->config->producer.batch_size * PRODUCER_MESSAGES_PER_PLACE;
    p->messages = calloc(p->n_messages_max, sizeof(struct outgoing));
    if (!p->messages)
        return -ENOMEM;
    for (size_t i = p->n_messages_max; i-- > 0;) {
        p->messages[i].next = p->free_message;
        p->free_message = &p->messages[i];
    }
    return 0;
}

static void learn_message_max(struct producer *p)
{
    p->message_bytes_max =
        MIN(queue_attributes(p->queue)->maximum_message_bytes, (size_t)SQS_MESSAGE_MAX_BYTES);
}

static void on_refreshed(void *userdata)
{
    struct producer *p = userdata;

    if (!p->sender || p->is_over)
        return;
    learn_message_max(p);
    p->size_is_asked = false;
    if (p->source->ops->opened)
        p->source->ops->opened(p->source, p->message_bytes_max);
    pump(p);
}

static bool on_ask_size(void *userdata)
{
    struct producer *p = userdata;

    return p->sender && queue_refresh(p->queue);
}

static void describe_counts(void *userdata, struct buffer *line, const void *before)
{
    struct producer *p = userdata;

    counts_append(line, &p->counts, before);
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

static int set_up(struct producer *p)
{
    sd_event *event = service_event(p->service);
    enum lanes_kind kind = !queue_is_fifo(p->queue)                          ? LANES_NONE
                           : p->config->producer.order == CONFIG_ORDER_BATCH ? LANES_BATCH
                                                                             : LANES_STRICT;
    int r = make_room(p);

    learn_message_max(p);
    if (r >= 0)
        r = lanes_new(kind, p->n_messages_max, &p->lanes);
    if (r >= 0)
        r = batcher_new(
            &(struct batcher_options){
                .lanes = p->lanes,
                .size_max = p->config->producer.batch_size,
                .linger_usec = p->config->producer.batch_linger_usec,
                .rate_limit = p->config->producer.rate_limit,
                .supply = supply,
                .userdata = p,
            },
            &p->batcher);
    if (r >= 0)
        r = timer_init(&p->timer, event, USEC_PER_MSEC, on_timer, p);
    if (r >= 0 && !p->source)
        r = source_new(event, p->config, queue_is_fifo(p->queue), on_source_ready, p, &p->source,
                       NULL);
    if (r >= 0)
        r = sender_new(
            &(struct sender_options){
                .queue = p->queue,
                .source = p->source,
                .requests_max = p->config->producer.max_connections,
                .answered = on_answer,
                .stalled = on_stalled,
                .late = on_late,
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
        fail(p, r, "Cannot start");
        return;
    }
    if (p->source->ops->opened)
        p->source->ops->opened(p->source, p->message_bytes_max);
    show_status(p);
    pump(p);
}

static void on_stop(void *userdata)
{
    struct producer *p = userdata;

    if (p->source && p->source->ops->stop)
        p->source->ops->stop(p->source);
    show_status(p);
    if (p->sender)
        pump(p);
    else if (is_done(p))
        end(p);
}

/* Makes a source that does not wait for the queue. */
static int make_early_source(struct producer *p, char **error)
{
    int r;

    if (!p->source_kind->precedes_queue)
        return 0;
    r = source_new(service_event(p->service), p->config, queue_is_fifo(p->queue), on_source_ready,
                   p, &p->source, error);
    if (r != 0)
        return r;
    p->source->ask_size = on_ask_size;
    p->source->owner = p;
    show_status(p);
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
                       &(struct queue_options){.name = "sqs-producerd",
                                               .permissions = PRODUCER_PERMISSIONS,
                                               .keep_trying = p->source_kind->precedes_queue,
                                               .reply_memory_bytes = REPLY_MEMORY_BYTES,
                                               .opened = on_opened,
                                               .refreshed = on_refreshed,
                                               .userdata = p},
                       &p->queue, error);
    if (r == 0)
        r = make_early_source(p, error);
    if (r != 0)
        return r < 0 ? r : PRODUCER_E_CONFIG;
    service_on_stop(service, &(struct service_stop){
                                 .timeout_usec = config->producer.stop_timeout_usec,
                                 .begin = on_stop,
                                 .cut_short = say_what_is_left,
                                 .userdata = p,
                             });
    service_on_watch(service, what_hangs, p);
    *ret = TAKE(p);
    return 0;
}

struct producer *producer_free(struct producer *p)
{
    if (!p)
        return NULL;
    progress_free(p->progress);
    queue_free(p->queue);
    timer_done(&p->timer);
    batcher_free(p->batcher);
    lanes_free(p->lanes);
    if (p->source)
        source_free(p->source);
    sender_free(p->sender);
    free(p->messages);
    free(p);
    return NULL;
}
