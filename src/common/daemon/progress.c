/* SPDX-License-Identifier: MIT */
/* The first change of the counters after a line starts the timer. So each line covers about a
 * minute, and a change is logged at most a minute late. */
#include "daemon/progress.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/message-ids.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/timer.h"

enum { LINE_MAX_BYTES = 1024 };

struct progress {
    sd_event *event;
    struct timer timer;
    const void *counts;
    size_t size;
    progress_describe_fn describe;
    void *userdata;
    uint64_t start_usec; /* boot clock */
    uint64_t since_usec; /* boot clock: start of the next line's time; valid while the timer runs */
    bool has_ended;
    void *told; /* the counters at the last line */
    void *none; /* the counters at the start */
};

static void write_line(struct progress *p, const char *message_id, const char *lead,
                       uint64_t since_usec, const void *before)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(LINE_MAX_BYTES);
    uint64_t now_usec = clock_loop_usec(p->event);
    uint64_t usec = now_usec - MIN(since_usec, now_usec);

    p->describe(p->userdata, &line, before);
    log_write(LOG_NOTICE, message_id, LOG_NO_FIELDS, "%s %" PRIu64 " s: %s.", lead,
              (usec + USEC_PER_SEC / 2) / USEC_PER_SEC, buffer_string(&line));
}

static void on_timer(void *userdata)
{
    struct progress *p = userdata;

    write_line(p, MESSAGE_ID_PROGRESS, "In the last", p->since_usec, p->told);
    memcpy(p->told, p->counts, p->size);
}

void progress_update(struct progress *p)
{
    if (!p || timer_is_set(&p->timer) || p->has_ended || memcmp(p->told, p->counts, p->size) == 0 ||
        timer_set_after(&p->timer, PROGRESS_INTERVAL_USEC) < 0)
        return;
    p->since_usec = clock_loop_usec(p->event);
}

void progress_end(struct progress *p)
{
    if (!p || p->has_ended)
        return;
    p->has_ended = true;
    timer_stop(&p->timer);
    write_line(p, MESSAGE_ID_TOTALS, "In all, in", p->start_usec, p->none);
}

int progress_new(sd_event *event, const struct progress_options *o, struct progress **ret)
{
    CLEANUP(progress_free) struct progress *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return -ENOMEM;
    p->event = sd_event_ref(event);
    p->counts = o->counts;
    p->size = o->size;
    p->describe = o->describe;
    p->userdata = o->userdata;
    p->start_usec = clock_loop_usec(event);
    p->told = calloc(2, o->size);
    if (!p->told)
        return -ENOMEM;
    p->none = (char *)p->told + o->size;
    memcpy(p->told, o->counts, o->size);
    memcpy(p->none, o->counts, o->size);
    r = timer_init(&p->timer, event, USEC_PER_SEC, on_timer, p);
    if (r < 0)
        return r;
    log_write(LOG_NOTICE, MESSAGE_ID_WORKING, LOG_NO_FIELDS,
              "Version " PROJECT_VERSION " works on the %s queue %s; %s; keys from %s.",
              o->is_fifo ? "FIFO" : "standard", o->queue_url, o->what,
              o->keys ? o->keys : "an unknown source");
    *ret = TAKE(p);
    return 0;
}

struct progress *progress_free(struct progress *p)
{
    if (!p)
        return NULL;
    timer_done(&p->timer);
    sd_event_unref(p->event);
    free(p->told);
    free(p);
    return NULL;
}
