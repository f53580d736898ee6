/* SPDX-License-Identifier: MIT */
/* sqs-consumerd with a handler that does what the message says. The body is a name, and then any of
 * these words: "sleep=MSEC" (the time that it takes), "hold=PATH" (it takes longer, while there is a
 * file at PATH), "fail=N" (fail the first N receives),
 * "delay=SEC" (come back after that time), "reject", "late=MSEC" (the time that it takes to end
 * after it was cancelled). It writes "begin NAME", "end NAME", "cancel NAME" and, for a late end,
 * "gone NAME" to standard error: the last lines of the log are lost when the daemon is killed. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "consumerd/consumer.h"
#include "daemon/main.h"

#define HOLD_LOOK_USEC (10 * USEC_PER_MSEC)

struct slow_handler {
    struct handler head;
    sd_event *event;
};

struct handler_run {
    sd_event_source *timer;
    handler_done_fn done;
    void *userdata;
    enum handler_outcome outcome;
    uint64_t delay_usec, late_usec;
    bool is_ending;
    char name[64], hold[256];
};

/* The number after "word=" in the body, else `otherwise`. */
static uint64_t number(const char *body, const char *word, uint64_t otherwise)
{
    const char *p = strstr(body, word);

    return p ? strtoull(p + strlen(word), NULL, 10) : otherwise;
}

/* Copies the word after "hold=". */
static void copy_hold(const char *body, char hold[static 256])
{
    const char *p = strstr(body, "hold=");

    if (p)
        snprintf(hold, 256, "%.*s", (int)strcspn(p + strlen("hold="), " "), p + strlen("hold="));
}

static void say(const struct handler_run *run, const char *what)
{
    (void)dprintf(STDERR_FILENO, "%s %s\n", what, run->name);
}

static void run_free(struct handler_run *run)
{
    sd_event_source_disable_unref(run->timer);
    free(run);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct handler_run *run = userdata;
    struct handler_run ended = *run;

    if (!run->is_ending && run->hold[0] != '\0' && access(run->hold, F_OK) == 0 &&
        sd_event_source_set_time_relative(source, HOLD_LOOK_USEC) >= 0 &&
        sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) >= 0)
        return 0;
    say(run, run->is_ending ? "gone" : "end");
    run_free(run);
    ended.done(ended.userdata, ended.outcome, ended.delay_usec);
    return 0;
}

static int slow_run(struct handler *handler, const struct sqs_received_message *message,
                    handler_done_fn done, void *userdata, struct handler_run **ret_run)
{
    struct slow_handler *h = (struct slow_handler *)(void *)handler;
    struct handler_run *run = calloc(1, sizeof(*run));
    const char *body = message->body;
    int r;

    if (!run)
        return -ENOMEM;
    run->done = done;
    run->userdata = userdata;
    run->outcome = HANDLER_DONE;
    run->delay_usec = HANDLER_DELAY_DEFAULT;
    run->late_usec = number(body, "late=", 0) * USEC_PER_MSEC;
    if (message->receive_count <= number(body, "fail=", 0))
        run->outcome = HANDLER_RETRY;
    if (strstr(body, "delay="))
        run->delay_usec = number(body, "delay=", 0) * USEC_PER_SEC;
    if (strstr(body, "reject"))
        run->outcome = HANDLER_REJECT;
    copy_hold(body, run->hold);
    snprintf(run->name, sizeof(run->name), "%.*s", (int)strcspn(body, " "), body);
    say(run, "begin");
    r = sd_event_add_time_relative(h->event, &run->timer, CLOCK_BOOTTIME,
                                   number(body, "sleep=", 0) * USEC_PER_MSEC, 1, on_time, run);
    if (r < 0) {
        run_free(run);
        return r;
    }
    *ret_run = run;
    return 0;
}

static void slow_end(struct handler_run *run, uint64_t grace_usec)
{
    struct handler_run ended = *run;
    uint64_t late_usec = MIN(run->late_usec, grace_usec);

    if (!run->is_ending)
        say(run, "cancel");
    run->is_ending = true;
    run->outcome = HANDLER_RETRY;
    if (late_usec > 0 && sd_event_source_set_time_relative(run->timer, late_usec) >= 0)
        return;
    run_free(run);
    ended.done(ended.userdata, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
}

static void slow_cancel(struct handler_run *run)
{
    say(run, "cancel");
    run_free(run);
}

static void slow_free(struct handler *handler)
{
}

static int start(struct service *service, const struct config *config, void **ret, char **error)
{
    static const struct handler_ops ops = {slow_run, slow_end, slow_cancel, slow_free};
    static struct slow_handler handler = {.head.ops = &ops};
    struct consumer *consumer = NULL;
    int r;

    handler.event = service_event(service);
    r = consumer_new(service, config, &handler.head, &consumer, error);
    *ret = consumer;
    return r;
}

static void stop(void *consumer)
{
    consumer_free(consumer);
}

int main(int argc, char **argv)
{
    static const struct program program = {"sqs-consumerd", "For tests.", LOG_COLOUR_NONE};

    return daemon_main(&program, &(struct daemon_core){start, stop}, argc, argv);
}
