/* SPDX-License-Identifier: MIT */
/* A pidfd tells the event loop that the program has ended. No signal handler is needed for that.
 *
 * Signals go to the process group. Its number is the program's process id, and the kernel reuses
 * that number only after two things: the program was waited for, and the group is empty. So a group
 * that must die at once is killed before the wait. A group that has time to end is checked every
 * GROUP_CHECK_INTERVAL_USEC after the wait; between two checks its number could be reused only if
 * all other process ids were used up.
 *
 * A child that nobody waits for any more (cancelled, or killed at its time-out) takes a moment to
 * die. Until then the pidfd's event source owns the structure, and the loop owns the source. Both
 * are freed when the program has died, or with the loop. */
#include "util/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/clock.h"
#include "util/timer.h"

#define GROUP_CHECK_INTERVAL_USEC (20 * USEC_PER_MSEC)
#define TIMER_ACCURACY_USEC (10 * USEC_PER_MSEC)

/* The program's end is handled before its output: it reads all the remaining output at once. */
enum { EXIT_PRIORITY = SD_EVENT_PRIORITY_NORMAL - 1 };

/* One of the program's two outputs. */
struct stream {
    struct child *child;
    int fd; /* -1: closed */
    sd_event_source *source;
};

enum state {
    RUNNING,
    ENDING, /* its group was signalled to end */
    ENDED,  /* the program has ended and was waited for; others of its group are still ending */
};

struct child {
    pid_t pid; /* also the id of its process group */
    int pidfd;
    bool is_reaped;
    enum state state;
    sd_event_source *exit_source; /* on the pidfd; its destruction frees the child */
    struct timer timer;           /* for timeout_usec, then for grace_usec */
    uint64_t grace_usec, grace_end_usec;
    struct stream streams[CHILD_N_STREAMS];
    enum child_end end;
    int status;
    child_output_fn output;
    child_done_fn done; /* NULL: cancelled, or already called */
    void *userdata;
};

/* ---- Ends ---- */

static void stream_close(struct stream *s)
{
    s->source = sd_event_source_disable_unref(s->source);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

static void signal_group(const struct child *child, int signal)
{
    (void)kill(-child->pid, signal);
}

/* Waits for the program, without blocking. -EAGAIN: it has not ended. */
static int reap(struct child *child, siginfo_t *ret)
{
    *ret = (siginfo_t){};
    if (TEMP_FAILURE_RETRY(waitid(P_PIDFD, (id_t)child->pidfd, ret, WEXITED | WNOHANG)) < 0) {
        int r = -errno;

        /* Something else in this process has waited for it. */
        child->is_reaped = true;
        return r;
    }
    if (ret->si_pid == 0)
        return -EAGAIN;
    child->is_reaped = true;
    return 0;
}

/* Whether the group has no process any more. If this process is the init process of a container,
 * orphans of the group are now its children. So it waits for them here. */
static bool group_is_empty(const struct child *child)
{
    siginfo_t info;

    if (kill(-child->pid, 0) < 0 && errno == ESRCH)
        return true;
    do
        info = (siginfo_t){};
    while (waitid(P_PGID, (id_t)child->pid, &info, WEXITED | WNOHANG) == 0 && info.si_pid > 0);
    return kill(-child->pid, 0) < 0 && errno == ESRCH;
}

static void child_free(void *userdata)
{
    struct child *child = userdata;
    siginfo_t info;

    if (!child->is_reaped)
        (void)reap(child, &info);
    for (size_t i = 0; i < CHILD_N_STREAMS; i++)
        stream_close(&child->streams[i]);
    timer_done(&child->timer);
    close(child->pidfd);
    free(child);
}

/* Frees the child, at once if the program was waited for, else when it has ended. */
static void let_go(struct child *child)
{
    child->done = NULL;
    if (child->is_reaped) {
        sd_event_source_disable_unref(child->exit_source); /* frees the child */
        return;
    }
    for (size_t i = 0; i < CHILD_N_STREAMS; i++)
        stream_close(&child->streams[i]);
    timer_done(&child->timer);
    /* From here on the loop owns the source, and the source owns the child. */
    sd_event_source_set_floating(child->exit_source, true);
    sd_event_source_unref(child->exit_source);
}

struct child *child_cancel(struct child *child)
{
    if (!child)
        return NULL;
    if (!child->is_reaped || !group_is_empty(child))
        signal_group(child, SIGKILL);
    let_go(child);
    return NULL;
}

/* ---- Its outputs ---- */

enum {
    STREAM_EMPTY = 0, /* nothing to read now */
    STREAM_READ,
    STREAM_ENDED,
    STREAM_REFUSED, /* `output` has returned false */
};

/* Reads once and passes on the bytes. */
static int stream_read(struct stream *s)
{
    struct child *child = s->child;
    char bytes[CHILD_READ_MAX_BYTES];
    ssize_t n = TEMP_FAILURE_RETRY(read(s->fd, bytes, sizeof(bytes)));
    bool is_taken;

    if (n < 0)
        return errno == EAGAIN ? STREAM_EMPTY : STREAM_ENDED;
    if (n == 0)
        return STREAM_ENDED;
    is_taken =
        child->output(child->userdata, (enum child_stream)(s - child->streams), bytes, (size_t)n);
    secure_wipe(bytes, (size_t)n);
    return is_taken ? STREAM_READ : STREAM_REFUSED;
}

/* Reads the output from before the end. This is bounded, since processes that have left the group
 * may still write. */
static void stream_drain(struct stream *s)
{
    int state = s->fd >= 0 ? STREAM_READ : STREAM_ENDED;

    for (size_t i = 0; state == STREAM_READ && i < CHILD_REST_MAX_BYTES / CHILD_READ_MAX_BYTES; i++)
        state = stream_read(s);
    if (state == STREAM_REFUSED) {
        s->child->end = CHILD_TOO_MUCH_OUTPUT;
        s->child->status = 0;
    }
}

/* Reports the end, once. Killed processes may still be dying. */
static void finish(struct child *child)
{
    child_done_fn done = child->done;
    void *userdata = child->userdata;
    enum child_end end;
    int status;

    for (size_t i = 0; i < CHILD_N_STREAMS && child->end != CHILD_TOO_MUCH_OUTPUT; i++)
        stream_drain(&child->streams[i]);
    end = child->end;
    status = child->status;
    let_go(child);
    done(userdata, end, status);
}

static void finish_killed(struct child *child)
{
    signal_group(child, SIGKILL);
    finish(child);
}

static int on_stream(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct stream *s = userdata;
    struct child *child = s->child;
    int state = stream_read(s);

    if (state == STREAM_ENDED) {
        stream_close(s);
    } else if (state == STREAM_REFUSED) {
        child->end = CHILD_TOO_MUCH_OUTPUT;
        child->status = 0;
        finish_killed(child);
    }
    return 0;
}

void child_pause_output(struct child *child, bool is_paused)
{
    for (size_t i = 0; i < CHILD_N_STREAMS; i++)
        if (child->streams[i].source)
            sd_event_source_set_enabled(child->streams[i].source,
                                        is_paused ? SD_EVENT_OFF : SD_EVENT_ON);
}

/* ---- Its end ---- */

static uint64_t now_usec(const struct child *child)
{
    return clock_loop_usec(sd_event_source_get_event(child->exit_source));
}

/* Signals the group to end. A stopped process needs SIGCONT to do so. */
static void begin_end(struct child *child, enum child_end why)
{
    child->state = ENDING;
    child->end = why;
    child->grace_end_usec = now_usec(child) + child->grace_usec;
    signal_group(child, child->grace_usec > 0 ? SIGTERM : SIGKILL);
    signal_group(child, SIGCONT);
    timer_set(&child->timer, child->grace_end_usec);
}

/* Whether the program has ended, even if the loop has not reported it yet. */
static bool has_ended(const struct child *child)
{
    struct pollfd p = {.fd = child->pidfd, .events = POLLIN};

    return poll(&p, 1, 0) > 0;
}

void child_terminate(struct child *child, uint64_t grace_usec)
{
    uint64_t end_usec = now_usec(child) + grace_usec;

    if (child->state == RUNNING) {
        child->grace_usec = MIN(grace_usec, child->grace_usec);
        if (!has_ended(child))
            begin_end(child, CHILD_TERMINATED);
    } else if (end_usec < child->grace_end_usec) {
        child->grace_end_usec = end_usec;
        if (child->state == ENDING) /* if ENDED, check_group runs soon */
            timer_set(&child->timer, end_usec);
    }
}

/* The program has ended. Checks repeatedly whether its group has too, until the grace is over. */
static void check_group(struct child *child)
{
    uint64_t now;

    if (group_is_empty(child)) {
        finish(child);
        return;
    }
    now = now_usec(child);
    if (now >= child->grace_end_usec)
        finish_killed(child);
    else
        timer_set(&child->timer, MIN(child->grace_end_usec, now + GROUP_CHECK_INTERVAL_USEC));
}

static void on_timer(void *userdata)
{
    struct child *child = userdata;

    if (child->state == RUNNING)
        begin_end(child, CHILD_TIMED_OUT);
    else if (child->state == ENDING)
        finish_killed(child);
    else
        check_group(child);
}

static void note_end(struct child *child, int error, const siginfo_t *info)
{
    if (child->state != RUNNING)
        return;
    child->end = error < 0 ? CHILD_LOST : info->si_code == CLD_EXITED ? CHILD_EXITED : CHILD_KILLED;
    child->status = error < 0 ? 0 : info->si_status;
}

static int on_exit_of_child(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    struct child *child = userdata;
    siginfo_t info;
    int r;

    if (!child->done || child->grace_usec == 0)
        signal_group(child, SIGKILL);
    else if (child->state == RUNNING)
        signal_group(child, SIGTERM);
    r = reap(child, &info);
    if (r == -EAGAIN)
        return 0;
    sd_event_source_set_enabled(source, SD_EVENT_OFF);
    if (!child->done) {
        /* The loop owns the source (let_go): take it back, so that unref frees it. */
        sd_event_source_ref(source);
        sd_event_source_set_floating(source, false);
        sd_event_source_unref(source);
        return 0;
    }
    note_end(child, r, &info);
    if (child->state == RUNNING)
        child->grace_end_usec = now_usec(child) + child->grace_usec;
    child->state = ENDED;
    if (child->grace_usec == 0)
        finish(child);
    else
        check_group(child);
    return 0;
}

pid_t child_pid(const struct child *child)
{
    return child->pid;
}

void child_wait(const struct child *child, uint64_t usec)
{
    struct pollfd p = {.fd = child->pidfd, .events = POLLIN};
    struct timespec wait = {.tv_sec = (time_t)(usec / USEC_PER_SEC),
                            .tv_nsec = (long)(usec % USEC_PER_SEC * 1000)};

    (void)ppoll(&p, 1, &wait, NULL);
}

/* ---- Start ---- */

static int watch_streams(sd_event *event, struct child *child)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < CHILD_N_STREAMS; i++) {
        struct stream *s = &child->streams[i];

        r = sd_event_add_io(event, &s->source, s->fd, EPOLLIN, on_stream, s);
    }
    return r;
}

static int watch(sd_event *event, struct child *child, uint64_t timeout_usec)
{
    int r = sd_event_source_set_priority(child->exit_source, EXIT_PRIORITY);

    if (r >= 0)
        r = watch_streams(event, child);
    if (r >= 0)
        r = timer_init(&child->timer, event, TIMER_ACCURACY_USEC, on_timer, child);
    if (r >= 0)
        r = timer_set_after(&child->timer, timeout_usec);
    return r;
}

/* The loop cannot report the end, so this blocks until the killed program is dead, which is
 * soon. */
static void kill_and_wait(struct child *child)
{
    siginfo_t info;

    signal_group(child, SIGKILL);
    child->is_reaped = true;
    (void)TEMP_FAILURE_RETRY(waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED));
    child_free(child);
}

int child_start(sd_event *event, const struct child_options *options, struct child **ret)
{
    struct child *child = calloc(1, sizeof(*child));
    struct spawned s;
    int r;

    if (!child)
        return -ENOMEM;
    r = spawn_program(&options->program, &s);
    if (r < 0) {
        free(child);
        return r;
    }
    *child = (struct child){
        .pid = s.pid,
        .pidfd = s.pidfd,
        .grace_usec = options->grace_usec,
        .streams = {{.child = child, .fd = s.output}, {.child = child, .fd = s.errors}},
        .output = options->output,
        .done = options->done,
        .userdata = options->userdata,
    };
    r = sd_event_add_io(event, &child->exit_source, child->pidfd, EPOLLIN, on_exit_of_child, child);
    if (r < 0) {
        kill_and_wait(child);
        return r;
    }
    sd_event_source_set_destroy_callback(child->exit_source, child_free);
    r = watch(event, child, options->timeout_usec);
    if (r < 0) {
        child_cancel(child);
        return r;
    }
    *ret = child;
    return 0;
}
