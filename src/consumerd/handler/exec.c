/* SPDX-License-Identifier: MIT */
/* Runs a program for each message. util/child.h starts it, and ends it with its process group. The
 * body is a file in memory (memfd_create): the daemon need not write into a pipe, and it does not
 * matter whether the program reads it.
 *
 * A run exists until its program has ended. An abandoned run is terminated, too, but calls no
 * `done`. */
#include "consumerd/handler/exec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#include "consumerd/handler/exec-environment.h"
#include "consumerd/handler/exec-program.h"
#include "daemon/message-ids.h"
#include "daemon/failure-log.h"
#include "util/child.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/line-splitter.h"
#include "util/list.h"
#include "util/log.h"

/* From SIGTERM to SIGKILL at the daemon's exit. */
#define EXIT_GRACE_USEC (1 * USEC_PER_SEC)

enum {
    LINES_MAX = 1000, /* of one message's program, in the log */
    SHOWN_PATH_MAX_BYTES = 100,
};

extern char **environ;

struct exec_handler {
    struct handler head;
    sd_event *event;
    const struct config *config;
    struct exec_program *program;
    struct exec_program *next_program; /* made by `prepare`; NULL: none */
    struct exec_environment *environment;
    struct list runs;
    size_t n_runs;
    bool is_output_paused; /* programs' output is not read, because the log is slow */
    char why_not_reached
        [FAILURE_LOG_TEXT_MAX_BYTES]; /* why a program could not be started the last time */
};

struct handler_run {
    struct list of_handler;
    struct exec_handler *handler;
    struct exec_program *program;
    uint64_t timeout_usec;
    struct child *child;
    handler_done_fn done; /* NULL: abandoned */
    void *userdata;
    pid_t pid;
    char *message_id, *group_id; /* copies: the program may outlive the message */
    struct line_splitter outputs[CHILD_N_STREAMS];
    enum child_stream stream; /* the one that on_line's line is from */
    unsigned receive_count, n_lines;
};

/* ---- The log ---- */

enum { PID_SIZE = 16 };

#define RUN_FIELDS(run, pid_text)                                                                  \
    {"SQS_MESSAGE_ID", (run)->message_id}, {"SQS_MESSAGE_GROUP_ID", (run)->group_id},              \
    {                                                                                              \
        "SQS_HANDLER_PID", (pid_text)                                                              \
    }

static const char *format_pid(const struct handler_run *run, char text[PID_SIZE])
{
    snprintf(text, PID_SIZE, "%d", (int)run->pid);
    return text;
}

static int priority_of(enum child_stream stream)
{
    return stream == CHILD_ERRORS ? LOG_WARNING : LOG_INFO;
}

static void on_line(void *userdata, const char *line, size_t size)
{
    struct handler_run *run = userdata;
    char pid[PID_SIZE];

    if (run->n_lines++ >= LINES_MAX)
        return;
    log_write(priority_of(run->stream), NULL, LOG_FIELDS(RUN_FIELDS(run, format_pid(run, pid))),
              "%s[%s]: %.*s", run->program->name, pid, (int)size, line);
}

/* While the log is slow, output stays in the pipes, and the programs that write to them wait. */
static void pause_outputs(struct exec_handler *h, bool is_paused)
{
    if (h->is_output_paused == is_paused)
        return;
    h->is_output_paused = is_paused;
    LIST_FOREACH(&h->runs, link)
    {
        struct handler_run *run = CONTAINER_OF(link, struct handler_run, of_handler);

        if (run->child)
            child_pause_output(run->child, is_paused);
    }
}

static void on_log_flows(void *userdata)
{
    pause_outputs(userdata, false);
}

static bool on_output(void *userdata, enum child_stream stream, const char *bytes, size_t size)
{
    struct handler_run *run = userdata;

    run->stream = stream;
    if (log_enabled(priority_of(stream)))
        line_splitter_feed(&run->outputs[stream], bytes, size, on_line, run);
    if (log_is_congested())
        pause_outputs(run->handler, true);
    return true;
}

static void end_output(struct handler_run *run)
{
    char pid[PID_SIZE];

    for (size_t i = 0; i < CHILD_N_STREAMS; i++) {
        run->stream = (enum child_stream)i;
        line_splitter_end(&run->outputs[i], on_line, run);
    }
    if (run->n_lines > LINES_MAX)
        log_write(LOG_WARNING, NULL, LOG_FIELDS(RUN_FIELDS(run, format_pid(run, pid))),
                  "%s[%s] has printed %u more lines, which are not shown: the maximum is %d for "
                  "each message.",
                  run->program->name, pid, run->n_lines - LINES_MAX, LINES_MAX);
}

/* `how` says how the program ended, and what follows for the message. */
static void log_end(const struct handler_run *run, int priority, const char *message_id,
                    const char *how)
{
    char pid[PID_SIZE];

    log_write(priority, message_id, LOG_FIELDS(RUN_FIELDS(run, format_pid(run, pid))),
              "%s[%s], for message %s (receive %u), %s.", run->program->name, pid, run->message_id,
              run->receive_count, how);
}

/* ---- The answer ---- */

enum { HOW_SIZE = 160 };

static void answer_exit(struct handler_run *run, int status)
{
    char how[HOW_SIZE];

    switch (status) {
    case EX_OK:
        log_end(run, LOG_DEBUG, NULL, "has ended with exit status 0");
        run->done(run->userdata, HANDLER_DONE, 0);
        break;
    case EX_TEMPFAIL:
        snprintf(
            how, sizeof(how),
            "has ended with exit status 75 (EX_TEMPFAIL): the message comes back after %" PRIu64
            " s",
            run->handler->config->consumer.retry_delay_usec / USEC_PER_SEC);
        log_end(run, LOG_INFO, NULL, how);
        run->done(run->userdata, HANDLER_RETRY, HANDLER_DELAY_CONSTANT);
        break;
    case EX_DATAERR:
        log_end(run, LOG_INFO, NULL,
                "has ended with exit status 65 (EX_DATAERR): the message is rejected");
        run->done(run->userdata, HANDLER_REJECT, 0);
        break;
    default:
        snprintf(how, sizeof(how), "has ended with exit status %d: the message comes back", status);
        log_end(run, LOG_WARNING, MESSAGE_ID_HANDLER_FAILED, how);
        run->done(run->userdata, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    }
}

static void answer_failure(struct handler_run *run, enum child_end end, int status)
{
    double timeout = (double)run->timeout_usec / (double)USEC_PER_SEC;
    char how[HOW_SIZE];

    if (end == CHILD_KILLED)
        snprintf(how, sizeof(how), "was ended by signal %d (%s): the message comes back", status,
                 strsignal(status));
    else if (end == CHILD_TIMED_OUT)
        snprintf(how, sizeof(how),
                 "was ended because it took longer than consumer.timeout (%g s): the message comes "
                 "back",
                 timeout);
    else
        snprintf(how, sizeof(how),
                 "has ended, but its exit status is not known: the message comes back");
    log_end(run, LOG_WARNING, MESSAGE_ID_HANDLER_FAILED, how);
    run->done(run->userdata, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
}

/* The program may have waited only because its output was not read while the log was slow. */
static void answer_waited_for_log(struct handler_run *run)
{
    struct exec_handler *h = run->handler;

    snprintf(h->why_not_reached, sizeof(h->why_not_reached),
             "the log is too slow for the output of consumer.command (%.*s), which was ended after "
             "consumer.timeout",
             SHOWN_PATH_MAX_BYTES, h->program->path);
    run->done(run->userdata, HANDLER_NOT_REACHED, HANDLER_DELAY_DEFAULT);
}

/* The exit status is ignored after SIGTERM: many programs then exit with 0, even if their work is
 * not done. */
static void answer_terminated(struct handler_run *run)
{
    log_end(run, LOG_INFO, NULL, "was cancelled and has ended: the message comes back");
    run->done(run->userdata, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
}

static void run_free(struct handler_run *run)
{
    if (list_is_linked(&run->of_handler)) {
        list_remove(&run->of_handler);
        run->handler->n_runs--;
    }
    exec_program_unref(run->program);
    free(run->message_id);
    free(run->group_id);
    free(run);
}

static void on_done(void *userdata, enum child_end end, int status)
{
    struct handler_run *run = userdata;

    end_output(run);
    run->child = NULL;
    if (!run->done)
        log_end(run, LOG_DEBUG, NULL, "which was cancelled, has ended");
    else if (end == CHILD_EXITED)
        answer_exit(run, status);
    else if (end == CHILD_TERMINATED)
        answer_terminated(run);
    else if (end == CHILD_TIMED_OUT && run->handler->is_output_paused)
        answer_waited_for_log(run);
    else
        answer_failure(run, end, status);
    run_free(run);
}

/* ---- The start ---- */

static struct handler_run *run_new(struct exec_handler *h,
                                   const struct sqs_received_message *message, handler_done_fn done,
                                   void *userdata)
{
    struct handler_run *run = calloc(1, sizeof(*run));

    if (!run)
        return NULL;
    run->handler = h;
    run->program = exec_program_ref(h->program);
    run->timeout_usec = h->config->consumer.timeout_usec;
    run->done = done;
    run->userdata = userdata;
    run->receive_count = message->receive_count;
    run->message_id = strdup(message->message_id);
    run->group_id = strdup(message->group_id ? message->group_id : "");
    if (!run->message_id || !run->group_id) {
        run_free(run);
        return NULL;
    }
    list_append(&h->runs, &run->of_handler);
    h->n_runs++;
    return run;
}

/* If the kernel finds arguments and environment too large together (E2BIG), tries again, and leaves
 * out more of the largest attributes each time. */
static int start_with(struct handler_run *run, const struct sqs_received_message *message, int body)
{
    struct exec_handler *h = run->handler;
    struct child_options options = {
        .program = {.argv = run->program->argv, .path = run->program->path, .input = body},
        .timeout_usec = run->timeout_usec,
        .grace_usec = HANDLER_GRACE_MAX_USEC,
        .output = on_output,
        .done = on_done,
        .userdata = run,
    };
    int r = -E2BIG;

    for (size_t i = 0; r == -E2BIG && i <= message->n_attributes; i++) {
        CLEANUP(free) char **environment = NULL;

        r = exec_environment_make(h->environment, message, i, &environment);
        if (r < 0)
            return r;
        options.program.environment = environment;
        r = child_start(h->event, &options, &run->child);
    }
    return r;
}

static int start(struct handler_run *run, const struct sqs_received_message *message)
{
    int body, r = file_in_memory("sqs-message", message->body, message->body_bytes, &body);

    if (r < 0)
        return r;
    r = start_with(run, message, body);
    close(body);
    if (r < 0)
        return r;
    run->pid = child_pid(run->child);
    child_pause_output(run->child, run->handler->is_output_paused);
    return 0;
}

static int run_message(struct handler *handler, const struct sqs_received_message *message,
                       handler_done_fn done, void *userdata, struct handler_run **ret_run)
{
    struct exec_handler *h = (struct exec_handler *)(void *)handler;
    struct handler_run *run;
    int r = -EAGAIN;

    if (h->n_runs < h->config->consumer.concurrency) {
        run = run_new(h, message, done, userdata);
        if (!run)
            return -ENOMEM;
        r = start(run, message);
        if (r == 0) {
            *ret_run = run;
            return 0;
        }
        run_free(run);
    }
    if (r == -E2BIG) {
        log_write(LOG_ERR, MESSAGE_ID_HANDLER_FAILED, LOG_FIELDS(MESSAGE_FIELDS(message)),
                  "Cannot run consumer.command (%s) for message %s, which comes back: %s%s.",
                  h->program->path, message->message_id, strerror(-r),
                  exec_program_advice(h->program->path, r));
        done(userdata, HANDLER_UNANSWERED, HANDLER_DELAY_DEFAULT);
        return 0;
    }
    snprintf(h->why_not_reached, sizeof(h->why_not_reached),
             "cannot run consumer.command (%.*s): %s%s", SHOWN_PATH_MAX_BYTES, h->program->path,
             strerror(-r), exec_program_advice(h->program->path, r));
    done(userdata, HANDLER_NOT_REACHED, HANDLER_DELAY_DEFAULT);
    return 0;
}

static const char *why_not_reached(const struct handler *handler)
{
    return ((const struct exec_handler *)(const void *)handler)->why_not_reached;
}

static void cancel(struct handler_run *run, uint64_t grace_usec)
{
    child_terminate(run->child, grace_usec);
}

static void abandon(struct handler_run *run)
{
    run->done = NULL;
    child_terminate(run->child, HANDLER_GRACE_MAX_USEC);
}

/* ---- Life ---- */

/* The event loop has ended, and all remaining runs were abandoned just before. Waits for their
 * programs. */
static void end_runs(struct exec_handler *h)
{
    uint64_t now_usec = clock_boot_usec(), end_usec = now_usec + EXIT_GRACE_USEC;

    LIST_FOREACH(&h->runs, link)
    {
        struct handler_run *run = CONTAINER_OF(link, struct handler_run, of_handler);

        child_wait(run->child, end_usec - MIN(now_usec, end_usec));
        child_cancel(run->child);
        run_free(run);
        now_usec = clock_boot_usec();
    }
}

static void exec_free(struct handler *handler)
{
    struct exec_handler *h = (struct exec_handler *)(void *)handler;

    end_runs(h);
    log_on_resume(NULL, NULL);
    exec_environment_free(h->environment);
    exec_program_unref(h->program);
    exec_program_unref(h->next_program);
    free(h);
}

static int prepare(struct handler *handler, const struct config *next, char **error)
{
    struct exec_handler *h = (struct exec_handler *)(void *)handler;
    struct exec_program *program;
    int r = exec_program_new(next, &program, error);

    if (r != 0)
        return r;
    exec_program_unref(h->next_program);
    h->next_program = program;
    return exec_program_raise_limit(next->consumer.concurrency, error);
}

static void set_program(struct exec_handler *h, struct exec_program *program)
{
    exec_program_unref(h->program);
    h->program = program;
    h->head.target = program->path;
}

static void reconfigure(struct handler *handler)
{
    struct exec_handler *h = (struct exec_handler *)(void *)handler;

    if (h->next_program)
        set_program(h, TAKE(h->next_program));
}

static const struct handler_ops ops = {
    .run = run_message,
    .cancel = cancel,
    .abandon = abandon,
    .why_not_reached = why_not_reached,
    .is_reached_at_once = true,
    .prepare = prepare,
    .reconfigure = reconfigure,
    .free = exec_free,
};

int handler_exec_new(sd_event *event, const struct config *config, struct handler **ret,
                     char **error)
{
    struct exec_handler *h = calloc(1, sizeof(*h));
    struct exec_program *program = NULL;
    int r;

    if (!h)
        return -ENOMEM;
    h->head.ops = &ops;
    h->event = event;
    h->config = config;
    list_init(&h->runs);
    r = exec_program_new(config, &program, error);
    if (r == 0)
        set_program(h, program);
    if (r == 0)
        r = exec_program_raise_limit(config->consumer.concurrency, error);
    if (r == 0)
        r = exec_environment_new(environ, &h->environment);
    if (r != 0) {
        exec_free(&h->head);
        return r;
    }
    exec_program_hide_daemon();
    log_on_resume(on_log_flows, h);
    *ret = &h->head;
    return 0;
}
