/* See progress.h. The timer is set by the first change after a line, so that a line tells of about
 * a minute, and is late by no more than that. */
#include "progress.h"

#include <errno.h>
#include <inttypes.h>

#include "log.h"
#include "loop-clock.h"
#include "message-ids.h"

enum { LINE_MAX_BYTES = 1024 };

struct progress {
    sd_event *event;
    sd_event_source *timer;
    const void *counts;
    size_t size;
    progress_describe_fn describe;
    void *userdata;
    uint64_t start_usec; /* boot clock */
    uint64_t since_usec; /* the same: what the next line tells of; while the timer runs */
    bool is_running;     /* the timer */
    bool has_ended;
    void *told; /* the counters as the last line had them */
    void *none; /* as they were at the start */
};

static void write_line(struct progress *p, const char *message_id, const char *lead,
                       uint64_t since_usec, const void *before)
{
    CLEANUP(buffer_done) struct buffer line = BUFFER_INIT(LINE_MAX_BYTES);
    uint64_t now_usec = loop_now_usec(p->event);
    uint64_t usec = now_usec - MIN(since_usec, now_usec);

    p->describe(p->userdata, &line, before);
    log_write(LOG_NOTICE, message_id, LOG_NO_FIELDS, "%s %" PRIu64 " s: %s.", lead,
              (usec + USEC_PER_SEC / 2) / USEC_PER_SEC, buffer_string(&line));
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct progress *p = userdata;

    p->is_running = false;
    write_line(p, MESSAGE_ID_PROGRESS, "In the last", p->since_usec, p->told);
    memcpy(p->told, p->counts, p->size);
    return 0;
}

void progress_look(struct progress *p)
{
    if (!p || p->is_running || p->has_ended || memcmp(p->told, p->counts, p->size) == 0)
        return;
    /* It fails only while the loop ends. */
    if (sd_event_source_set_time_relative(p->timer, PROGRESS_INTERVAL_USEC) < 0 ||
        sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT) < 0)
        return;
    p->is_running = true;
    p->since_usec = loop_now_usec(p->event);
}

void progress_end(struct progress *p)
{
    if (!p || p->has_ended)
        return;
    p->has_ended = true;
    (void)sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
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
    p->start_usec = loop_now_usec(event);
    p->told = calloc(2, o->size);
    if (!p->told)
        return -ENOMEM;
    p->none = (char *)p->told + o->size;
    memcpy(p->told, o->counts, o->size);
    memcpy(p->none, o->counts, o->size);
    r = sd_event_add_time_relative(event, &p->timer, CLOCK_BOOTTIME, 0, USEC_PER_SEC, on_timer, p);
    if (r >= 0)
        r = sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
    if (r < 0)
        return r;
    log_write(LOG_NOTICE, MESSAGE_ID_WORKING, LOG_NO_FIELDS,
              "Version " PROJECT_VERSION " works on the %s queue %s; %s; keys from %s.",
              o->is_fifo ? "FIFO" : "standard", o->queue_url, o->what,
              o->keys ? o->keys : "a place that is not known");
    *ret = TAKE(p);
    return 0;
}

struct progress *progress_free(struct progress *p)
{
    if (!p)
        return NULL;
    sd_event_source_disable_unref(p->timer);
    sd_event_unref(p->event);
    free(p->told);
    free(p);
    return NULL;
}
