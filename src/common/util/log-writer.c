/* SPDX-License-Identifier: MIT */
#include "util/log-writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "util/log-queue.h"

enum {
    FLUSH_PARTS_MAX = 10,  /* of half the time that log_writer_flush gets */
    FLUSH_STALLED_MAX = 2, /* parts in a row in which nothing was written */
};

struct log_writer {
    /* Only the loop's thread uses these. */
    sd_event_source *source;
    log_writer_resumed_fn resumed;
    pthread_t thread;
    bool is_congested;

    int eventfd; /* the thread writes it, the loop reads it */

    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t changed;
    struct log_queue queue;
    uint64_t n_written;
    struct list written; /* entries that somebody may wait for */
    bool is_waiting;     /* the thread waits for an entry */
    bool is_stopping;
    bool is_resume_wanted; /* the loop wants to know when the queue has become short */
};

/* ---- The thread ---- */

static void wake_loop(struct log_writer *w)
{
    (void)eventfd_write(w->eventfd, 1); /* it fails only if it is already set */
}

/* Waits for an entry. NULL: the thread must end. The lock is held. */
static struct log_entry *next_entry(struct log_writer *w)
{
    while (w->queue.n == 0 && !w->is_stopping) {
        w->is_waiting = true;
        pthread_cond_broadcast(&w->changed);
        pthread_cond_wait(&w->changed, &w->lock);
        w->is_waiting = false;
    }
    return log_queue_take(&w->queue);
}

static void write_entries(struct log_writer *w)
{
    struct log_entry *entry;

    pthread_mutex_lock(&w->lock);
    while ((entry = next_entry(w))) {
        pthread_mutex_unlock(&w->lock);
        entry->result = log_entry_write(entry);
        if (!entry->carries_message)
            entry = log_entry_free(entry);
        pthread_mutex_lock(&w->lock);
        w->n_written++;
        if (entry) {
            list_append(&w->written, &entry->link);
            wake_loop(w);
        }
        if (w->is_resume_wanted && w->queue.bytes < w->queue.bytes_max / 4) {
            w->is_resume_wanted = false;
            wake_loop(w);
        }
    }
    pthread_mutex_unlock(&w->lock);
}

static void *run_thread(void *userdata)
{
    write_entries(userdata);
    return NULL;
}

/* All signals are blocked in the thread, so that the loop gets them. */
static int start_thread(struct log_writer *w)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = -pthread_create(&w->thread, NULL, run_thread, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

/* ---- The loop ---- */

void log_writer_add(struct log_writer *w, struct log_entry *entry)
{
    pthread_mutex_lock(&w->lock);
    log_queue_add(&w->queue, entry);
    if (w->queue.bytes > w->queue.bytes_max / 2)
        w->is_congested = true;
    if (w->is_congested || w->queue.n_dropped > 0)
        w->is_resume_wanted = true;
    if (w->is_waiting)
        pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

bool log_writer_is_congested(const struct log_writer *w)
{
    return w->is_congested;
}

uint64_t log_writer_take_dropped(struct log_writer *w)
{
    uint64_t n;

    pthread_mutex_lock(&w->lock);
    n = TAKE(w->queue.n_dropped);
    pthread_mutex_unlock(&w->lock);
    return n;
}

uint64_t log_writer_count_dropped(struct log_writer *w)
{
    uint64_t n;

    pthread_mutex_lock(&w->lock);
    n = w->queue.n_dropped_in_all;
    pthread_mutex_unlock(&w->lock);
    return n;
}

static void report_written(struct log_writer *w)
{
    struct list written;

    list_init(&written);
    pthread_mutex_lock(&w->lock);
    list_move_all(&written, &w->written);
    pthread_mutex_unlock(&w->lock);
    LIST_FOREACH(&written, link)
    {
        struct log_entry *entry = CONTAINER_OF(link, struct log_entry, link);

        if (entry->written)
            entry->written(entry->userdata, entry->result);
        log_entry_free(entry);
    }
}

static void report_resumed(struct log_writer *w)
{
    uint64_t n_dropped = 0;
    bool resumed;

    pthread_mutex_lock(&w->lock);
    resumed = !w->is_resume_wanted && (w->is_congested || w->queue.n_dropped > 0);
    if (resumed)
        n_dropped = TAKE(w->queue.n_dropped);
    pthread_mutex_unlock(&w->lock);
    if (!resumed)
        return;
    w->is_congested = false;
    w->resumed(n_dropped);
}

static int on_event(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct log_writer *w = userdata;
    eventfd_t value;

    (void)eventfd_read(fd, &value);
    report_written(w);
    report_resumed(w);
    return 0;
}

/* Whether all entries are written and the thread waits for more. The lock is held. */
static bool is_idle(const struct log_writer *w)
{
    return w->queue.n == 0 && w->is_waiting;
}

/* Waits until it is idle, at most `usec`. The lock is held. */
static void wait_until_idle(struct log_writer *w, uint64_t usec)
{
    struct timespec until;
    int e = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(usec / USEC_PER_SEC);
    until.tv_nsec += (long)(usec % USEC_PER_SEC * 1000);
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    while (!is_idle(w) && e == 0)
        e = pthread_cond_clockwait(&w->changed, &w->lock, CLOCK_MONOTONIC, &until);
}

/* A pause of the whole process can use up one part. So only several parts in a row without a
 * written entry count as a stall. */
bool log_writer_flush(struct log_writer *w, uint64_t usec)
{
    int n_stalled = 0;
    bool idle;

    pthread_mutex_lock(&w->lock);
    for (int i = 0; i < FLUSH_PARTS_MAX && n_stalled < FLUSH_STALLED_MAX && !is_idle(w); i++) {
        uint64_t before = w->n_written;

        wait_until_idle(w, usec / FLUSH_STALLED_MAX);
        n_stalled = w->n_written == before ? n_stalled + 1 : 0;
    }
    idle = is_idle(w);
    pthread_mutex_unlock(&w->lock);
    return idle;
}

/* ---- Life ---- */

static void free_lists(struct log_writer *w)
{
    LIST_FOREACH(&w->written, link)
    log_entry_free(CONTAINER_OF(link, struct log_entry, link));
    list_init(&w->written);
    log_queue_done(&w->queue);
}

static void writer_free(struct log_writer *w)
{
    free_lists(w);
    sd_event_source_disable_unref(w->source);
    if (w->eventfd >= 0)
        close(w->eventfd);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

int log_writer_new(sd_event *event, size_t bytes_max, log_writer_resumed_fn resumed,
                   struct log_writer **ret)
{
    struct log_writer *w = calloc(1, sizeof(*w));
    int r;

    if (!w)
        return -ENOMEM;
    list_init(&w->written);
    w->resumed = resumed;
    log_queue_init(&w->queue, bytes_max);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    w->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = w->eventfd < 0 ? -errno
                       : sd_event_add_io(event, &w->source, w->eventfd, EPOLLIN, on_event, w);
    if (r >= 0)
        r = start_thread(w);
    if (r < 0) {
        writer_free(w);
        return r;
    }
    *ret = w;
    return 0;
}

bool log_writer_stop(struct log_writer *w)
{
    bool idle;

    w->source = sd_event_source_disable_unref(w->source);
    pthread_mutex_lock(&w->lock);
    idle = is_idle(w);
    w->is_stopping = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    if (!idle) {
        pthread_detach(w->thread);
        return false;
    }
    pthread_join(w->thread, NULL);
    writer_free(w);
    return true;
}
