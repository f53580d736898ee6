/* SPDX-License-Identifier: MIT */
/* The spool source joins two parts: the store on disk (spool/) and the socket at which programs
 * submit messages (intake/). The intake knows the store only through struct message_store.
 *
 * SQS's answers are written, without a sync, at the end of the same round of the event loop.
 * They are synced with the next submitted messages, SYNC_DELAY_USEC later at the latest. When a
 * write fails, it is tried again every WRITE_RETRY_USEC; the store itself refuses new messages
 * meanwhile. */
#include "producerd/source-spool.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "daemon/failure-log.h"
#include "daemon/message-ids.h"
#include "daemon/metrics-server.h"
#include "daemon/state-directory.h"
#include "producerd/intake/intake.h"
#include "producerd/intake/socket.h"
#include "producerd/sender.h"
#include "producerd/spool/ages.h"
#include "producerd/spool/spool.h"
#include "util/buffer.h"
#include "util/clock.h"
#include "util/fault-point.h"
#include "util/log.h"
#include "util/timer.h"

#define SYNC_DELAY_USEC (100 * USEC_PER_MSEC)
#define WRITE_RETRY_USEC (1 * USEC_PER_SEC)

struct source_spool;

struct spool_store { /* the store as the intake sees it */
    struct message_store head;
    struct source_spool *source;
};

struct source_spool {
    struct source head;
    struct spool_store store;
    struct spool *spool;
    struct intake *intake;
    char *socket_path; /* of a socket that we made; else NULL */
    source_ready_fn ready;
    void *userdata;

    sd_event *event;
    sd_event_source *flush;  /* deferred: writes the settled messages */
    struct timer timer;      /* syncs it, or retries a failed write */
    sd_event_source *notify; /* deferred: calls `ready` */
    bool is_drained;         /* the last `next` returned no message */
    struct failure_log write_failures;
    struct spool_ages ages;
    uint64_t messages_max, bytes_max; /* of the settings */
};

static uint64_t now_usec(struct source_spool *s)
{
    return clock_loop_usec(s->event);
}

static void notify_ready(struct source_spool *s)
{
    sd_event_source_set_enabled(s->notify, SD_EVENT_ONESHOT);
}

/* Logs the result of a write when it is worth a line, and sets the timer for what follows. Returns
 * the result. */
static int handle_write_result(struct source_spool *s, int r)
{
    if (r < 0) {
        if (failure_log_add(&s->write_failures, message_store_strerror(r),
                            message_store_strerror(r), now_usec(s)))
            log_write(LOG_ERR, MESSAGE_ID_SPOOL_UNWRITABLE, LOG_NO_FIELDS,
                      "The spool cannot be written: %s (%s). Messages that are submitted are "
                      "refused, and nothing is lost; trying again.",
                      spool_error(s->spool), message_store_strerror(r));
        /* Writes of new messages fail meanwhile as well; they must not postpone the retry. */
        if (!timer_is_set(&s->timer))
            timer_set_after(&s->timer, WRITE_RETRY_USEC);
        notify_ready(s);
    } else if (s->write_failures.failures > 0) {
        notify_ready(s); /* one write has succeeded, and others may wait for it */
    } else if (spool_needs_sync(s->spool) && !timer_is_set(&s->timer)) {
        timer_set_after(&s->timer, SYNC_DELAY_USEC);
    }
    return r;
}

/* A single write may succeed while others fail. The failure is over when all kinds of writes
 * succeed. */
static void check_recovery(struct source_spool *s)
{
    struct failure_log ended;
    int r = handle_write_result(s, spool_test_write(s->spool));

    if (r >= 0 && failure_log_end(&s->write_failures, &ended))
        log_notice("The spool can be written again, after %u failures in %.1f s.", ended.failures,
                   (double)(now_usec(s) - ended.since_usec) / USEC_PER_SEC);
}

/* --- For the intake --- */

static struct source_spool *source_of_store(struct message_store *store)
{
    return ((struct spool_store *)store)->source;
}

static int store_add(struct message_store *store, const char *id, const struct sqs_message *message,
                     char **error)
{
    return spool_add(source_of_store(store)->spool, id, message, error);
}

static int store_commit(struct message_store *store)
{
    struct source_spool *s = source_of_store(store);

    int r;

    notify_ready(s);
    r = handle_write_result(s, spool_commit(s->spool));
    spool_ages_note(&s->ages, spool_next_number(s->spool), now_usec(s));
    return r;
}

static int store_rejected(struct message_store *store, uint64_t after,
                          bool (*found)(void *userdata, const struct rejected_message *message),
                          void *userdata)
{
    return spool_rejected(source_of_store(store)->spool, after, found, userdata);
}

static int after_command(struct source_spool *s, int r)
{
    notify_ready(s);
    (void)handle_write_result(s, MIN(r, 0));
    return r;
}

static int store_retry(struct message_store *store, const char *id, size_t *ret_n)
{
    struct source_spool *s = source_of_store(store);

    return after_command(s, spool_retry(s->spool, id, ret_n));
}

static int store_drop(struct message_store *store, const char *id, struct store_dropped *ret)
{
    struct source_spool *s = source_of_store(store);

    return after_command(s, spool_drop(s->spool, id, ret));
}

static int store_read_series(struct message_store *store, struct store_series *series)
{
    return spool_read_series(source_of_store(store)->spool, series);
}

static void store_note_series(struct message_store *store, struct store_series *series)
{
    spool_note_series(source_of_store(store)->spool, series);
}

static const struct message_store_ops store_ops = {
    .add = store_add,
    .commit = store_commit,
    .rejected = store_rejected,
    .retry = store_retry,
    .drop = store_drop,
    .read_series = store_read_series,
    .note_series = store_note_series,
};

/* --- For the producer --- */

static void log_damaged_row(struct source_spool *s)
{
    const struct spool_damaged_row *row = spool_last_damaged_row(s->spool);

    if (row->error == 0)
        log_error("A message of the spool is set aside (--rejected lists it): %s. The others are "
                  "sent; check this machine's disk and memory. Message %s.",
                  row->reason, row->id);
    else
        log_error(
            "A message of the spool is skipped until the next start, because it cannot be set "
            "aside (%s): %s. Message %s.",
            strerror(-row->error), row->reason, row->id);
    (void)handle_write_result(s, row->error);
}

static int next(struct source *source, const struct source_message **ret)
{
    struct source_spool *s = (struct source_spool *)source;
    const struct spool_message *m;
    int r = spool_next(s->spool, &m);

    s->is_drained = r != 0;
    if (r == 0) {
        *ret = &m->head;
        return 0;
    }
    if (r < 0 && r != -ENOMEM)
        log_error("The spool cannot be read: %s.", spool_error(s->spool));
    if (r == SPOOL_E_DAMAGED_ROW)
        log_damaged_row(s);
    if (r == SPOOL_E_LATER || r == SPOOL_E_DAMAGED_ROW)
        notify_ready(s);
    return r < 0 ? r : SOURCE_E_NOT_YET;
}

static void sending(struct source *source, const struct source_message *const *messages, size_t n)
{
    struct source_spool *s = (struct source_spool *)source;
    const struct spool_message *spooled[SQS_BATCH_MAX];

    for (size_t i = 0; i < n; i++)
        spooled[i] = (const struct spool_message *)messages[i];
    FAULT_POINT("spool-mark");
    /* The messages are sent even if this fails: the mark serves only to count possible
     * duplicates. */
    (void)handle_write_result(s, spool_mark_sending(s->spool, spooled, n, clock_wall_usec()));
    FAULT_POINT("spool-marked");
}

static void settle(struct source *source, const struct source_message *message,
                   enum source_settlement settlement, const char *reason)
{
    struct source_spool *s = (struct source_spool *)source;

    FAULT_POINT("spool-settle");
    spool_settle(s->spool, (const struct spool_message *)message,
                 settlement == SOURCE_SENT ? NULL
                 : reason                  ? reason
                                           : "",
                 clock_wall_usec());
    sd_event_source_set_enabled(s->flush, SD_EVENT_ONESHOT);
    /* Others may have waited for this: for a slot of its group, or for memory. */
    if (s->is_drained)
        notify_ready(s);
}

static void opened(struct source *source, size_t message_bytes_max)
{
    intake_set_message_max(((struct source_spool *)source)->intake, message_bytes_max);
}

static bool refresh_size(void *userdata)
{
    struct source *source = userdata;

    return source->refresh_size && source->refresh_size(source->owner);
}

static void reconfigure(struct source *source, const struct config *config)
{
    struct source_spool *s = (struct source_spool *)source;

    s->messages_max = config->producer.spool_max_messages;
    s->bytes_max = config->producer.spool_max_bytes;
    spool_set_limits(s->spool, s->messages_max, s->bytes_max);
}

static void stop(struct source *source)
{
    intake_stop(((struct source_spool *)source)->intake);
}

static bool has_stopped(const struct source *source)
{
    return intake_has_stopped(((const struct source_spool *)source)->intake);
}

static void on_intake_stopped(void *userdata)
{
    notify_ready(userdata);
}

static void on_intake_changed(void *userdata)
{
    notify_ready(userdata);
}

static void describe(struct source *source, struct buffer *status)
{
    struct source_spool *s = (struct source_spool *)source;
    struct spool_counts counts = spool_counts(s->spool);

    buffer_printf(status, "in the spool: %" PRIu64 " waiting, %" PRIu64 " rejected", counts.waiting,
                  counts.rejected);
    if (s->write_failures.failures > 0)
        buffer_printf(status, "; the spool cannot be written: %s", s->write_failures.text);
    if (s->intake)
        intake_describe(s->intake, status);
}

static void measure(struct source *source, struct source_levels *ret)
{
    struct source_spool *s = (struct source_spool *)source;
    struct spool_counts counts = spool_counts(s->spool);

    *ret = (struct source_levels){
        .waiting = counts.waiting,
        .rejected = counts.rejected,
        .bytes = counts.bytes,
        .messages_max = s->messages_max,
        .bytes_max = s->bytes_max,
        .oldest_usec =
            counts.waiting == 0
                ? 0
                : spool_ages_oldest_usec(&s->ages, spool_oldest_number(s->spool), now_usec(s)),
        .submitters = s->intake ? intake_counts(s->intake).connections : 0,
        .is_writable = s->write_failures.failures == 0,
    };
}

static int on_flush(sd_event_source *source, void *userdata)
{
    struct source_spool *s = userdata;

    (void)handle_write_result(s, spool_flush(s->spool));
    FAULT_POINT("spool-settled");
    return 0;
}

static void on_timer(void *userdata)
{
    struct source_spool *s = userdata;

    if (s->write_failures.failures > 0)
        check_recovery(s);
    else
        (void)handle_write_result(s, spool_sync(s->spool));
}

static int on_notify(sd_event_source *source, void *userdata)
{
    struct source_spool *s = userdata;

    s->ready(s->userdata);
    return 0;
}

static void source_spool_free(struct source *source)
{
    struct source_spool *s = (struct source_spool *)source;

    intake_free(s->intake);
    if (s->socket_path)
        submit_socket_remove(s->socket_path);
    if (s->spool && spool_sync(s->spool) < 0)
        log_error("The spool cannot be written: %s. Messages that SQS has acknowledged may be sent "
                  "again.",
                  spool_error(s->spool));
    spool_free(s->spool);
    free(s->socket_path);
    sd_event_source_disable_unref(s->flush);
    timer_done(&s->timer);
    sd_event_source_disable_unref(s->notify);
    sd_event_unref(s->event);
    free(s);
}

static const struct source_ops ops = {
    .next = next,
    .settle = settle,
    .free = source_spool_free,
    .sending = sending,
    .opened = opened,
    .stop = stop,
    .has_stopped = has_stopped,
    .reconfigure = reconfigure,
    .measure = measure,
    .describe = describe,
};

/* --- Set-up --- */

/* Adds a deferred event source, turned off. */
static int add_defer(struct source_spool *s, sd_event_source **ret, sd_event_handler_t handler)
{
    int r = sd_event_add_defer(s->event, ret, handler, s);

    return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

static int add_sources(struct source_spool *s)
{
    int r = add_defer(s, &s->flush, on_flush);

    if (r >= 0)
        r = add_defer(s, &s->notify, on_notify);
    if (r >= 0)
        r = timer_init(&s->timer, s->event, USEC_PER_MSEC, on_timer, s);
    return MIN(r, 0);
}

static int open_spool(struct source_spool *s, const struct config *config, bool is_fifo,
                      char **error)
{
    CLEANUP(free) char *path = NULL;
    int r = state_directory_path(SPOOL_FILE_NAME, &path, error);

    if (r != 0)
        return r < 0 ? r : SOURCE_E_CONFIG;
    r = spool_open(
        &(struct spool_options){
            .path = path,
            .is_fifo = is_fifo,
            .messages_max = config->producer.spool_max_messages,
            .bytes_max = config->producer.spool_max_bytes,
        },
        &s->spool, error);
    if (r == 0)
        spool_ages_note(&s->ages, spool_next_number(s->spool), now_usec(s));
    s->messages_max = config->producer.spool_max_messages;
    s->bytes_max = config->producer.spool_max_bytes;
    return r > 0 ? SOURCE_E_CONFIG : r;
}

/* Until the queue's maximum message size is known, the intake uses SQS's own maximum. */
static int open_intake(struct source_spool *s, const struct config *config, bool is_fifo,
                       char **error)
{
    const char *path = config->producer.submit_socket;
    bool is_ours = false;
    int fd = -1, r = submit_socket_open(path, config->instance, &fd, &is_ours, error);

    if (r != 0)
        return r < 0 ? r : SOURCE_E_CONFIG;
    if (is_ours) {
        s->socket_path = strdup(path);
        if (!s->socket_path) {
            submit_socket_remove(path);
            close(fd);
            return -ENOMEM;
        }
    }
    r = intake_new(
        &(struct intake_options){
            .event = s->event,
            .fd = fd,
            .store = &s->store.head,
            .rules = {.is_fifo = is_fifo,
                      .max_bytes = SQS_MESSAGE_MAX_BYTES,
                      .group_id = config->producer.message_group_id},
            .n_other_connections = SENDER_REQUESTS_MAX + METRICS_DESCRIPTORS_MAX,
            .refresh_size = refresh_size,
            .stopped = on_intake_stopped,
            .changed = on_intake_changed,
            .userdata = s,
        },
        &s->intake);
    return MIN(r, 0);
}

int source_spool_new(sd_event *event, const struct config *config, bool is_fifo,
                     source_ready_fn ready, void *userdata, struct source **ret, char **error)
{
    struct source_spool *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->head.ops = &ops;
    s->store = (struct spool_store){.head = {.ops = &store_ops}, .source = s};
    s->event = sd_event_ref(event);
    s->ready = ready;
    s->userdata = userdata;
    r = add_sources(s);
    if (r == 0)
        r = open_spool(s, config, is_fifo, error);
    if (r == 0)
        r = open_intake(s, config, is_fifo, error);
    if (r != 0) {
        source_spool_free(&s->head);
        return r;
    }
    *ret = &s->head;
    return 0;
}
