/* SPDX-License-Identifier: MIT */
/* A timer of the event loop feeds the watchdog, at a higher priority than other work. So the
 * watchdog is fed when the loop is busy, and not when the loop hangs. */
#include "daemon/service.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "daemon/message-ids.h"
#include "util/clock.h"
#include "util/encode.h"
#include "util/log.h"
#include "util/timer.h"

enum {
    STATUS_MAX_BYTES = 256,
    FEEDINGS_PER_PERIOD = 3, /* of the watchdog */
};

#define STATUS_INTERVAL_USEC (100 * USEC_PER_MSEC)
/* The time until a stall is checked a second time. After a suspend all work is late at first. */
#define SECOND_CHECK_USEC (1 * USEC_PER_SEC)

struct service {
    sd_event *event;
    struct timer status_timer;
    struct timer stop_timer;
    struct service_stop stop;
    uint64_t stop_deadline_usec; /* boot clock */
    struct timer watchdog;       /* not initialized if there is no watchdog */
    uint64_t watchdog_usec;      /* its period */
    service_stall_fn find_stall;
    void *stall_userdata;
    unsigned n_stalls; /* checks in a row that found a stall */
    bool is_ready, is_stopping, is_exiting;
    sd_event_source
        *hangup; /* SIGHUP, off until service_on_reload; NULL: it stops, or is ignored */
    service_reload_fn reload;
    void *reload_userdata;
    char status[STATUS_MAX_BYTES];
    char problem[STATUS_MAX_BYTES];
    char note[STATUS_MAX_BYTES];
    uint64_t status_sent_usec;
};

static void end_at_once(struct service *service, const char *why)
{
    log_warning("Stopped with work unfinished: %s.", why);
    service_exit_unfinished(service, EXIT_UNFINISHED);
}

static uint64_t now_usec(struct service *service)
{
    return clock_loop_usec(service->event);
}

/* Asks systemd for more time, and sets the timer to ask again, or to the deadline. */
static void extend_stop(struct service *service)
{
    uint64_t now = now_usec(service);

    sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)SERVICE_STOP_EXTENSION_USEC);
    timer_set(&service->stop_timer,
              MIN(service->stop_deadline_usec, now + SERVICE_STOP_EXTENSION_INTERVAL_USEC));
}

static void on_stop_timer(void *userdata)
{
    struct service *service = userdata;

    if (now_usec(service) >= service->stop_deadline_usec)
        end_at_once(service, "the stop took longer than stop_timeout");
    else
        extend_stop(service);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    struct service *service = userdata;

    /* When a terminal closes, SIGHUP may come twice: from the kernel and from the shell. */
    if (service->is_stopping && info->ssi_signo == SIGHUP)
        return 0;
    if (service->is_stopping) {
        end_at_once(service, "asked to stop a second time");
        return 0;
    }
    service->is_stopping = true;
    log_write(LOG_INFO, MESSAGE_ID_STOPPING, LOG_NO_FIELDS,
              "Asked to stop: finishing the messages in flight.");
    sd_notify(0, "STOPPING=1");
    if (!service->stop.begin) {
        service_exit(service, EXIT_SUCCESS);
        return 0;
    }
    service->stop_deadline_usec = now_usec(service) + service->stop.timeout_usec;
    extend_stop(service);
    service->stop.begin(service->stop.userdata);
    return 0;
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
    struct service *service = userdata;
    bool is_told = service->is_ready;

    if (service->is_stopping) {
        log_info("Asked to read the settings again, but a stop has begun: not read.");
        return 0;
    }
    /* Before READY=1 systemd would take a READY=1 for the end of the start. */
    if (is_told)
        sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long)clock_monotonic_usec());
    service->reload(service->reload_userdata);
    if (is_told)
        sd_notify(0, "READY=1");
    return 0;
}

static void send_status(struct service *service)
{
    service->status_sent_usec = now_usec(service);
    timer_stop(&service->status_timer);
    sd_notifyf(0, "STATUS=%s%s%s%s%s", service->status,
               service->status[0] && service->problem[0] ? "; " : "", service->problem,
               (service->status[0] || service->problem[0]) && service->note[0] ? "; " : "",
               service->note);
}

static void on_status_timer(void *userdata)
{
    send_status(userdata);
}

const char *service_find_stall(struct service *service)
{
    return service->find_stall ? service->find_stall(service->stall_userdata, now_usec(service))
                               : NULL;
}

static void on_watchdog(void *userdata)
{
    struct service *service = userdata;
    const char *stall = service_find_stall(service);
    uint64_t next_usec = service->watchdog_usec / FEEDINGS_PER_PERIOD;

    if (stall) {
        service->n_stalls++;
        next_usec = MIN(next_usec, SECOND_CHECK_USEC);
        if (service->n_stalls == 2)
            log_error("The daemon has stalled: %s. It no longer feeds the watchdog, so systemd "
                      "will restart it.",
                      stall);
    } else {
        if (service->n_stalls >= 2)
            log_notice("The stall is over: the daemon feeds the watchdog again.");
        service->n_stalls = 0;
        sd_notify(0, "WATCHDOG=1");
    }
    timer_set_after(&service->watchdog, next_usec);
}

static int set_up_watchdog(struct service *service)
{
    int r = sd_watchdog_enabled(0, &service->watchdog_usec);

    if (r < 0)
        log_error("WATCHDOG_USEC or WATCHDOG_PID in the environment is not a valid number: remove "
                  "both, or see sd_watchdog_enabled(3): %s.",
                  strerror(-r));
    if (r <= 0)
        return r;
    r = timer_init(&service->watchdog, service->event, USEC_PER_MSEC, on_watchdog, service);
    if (r >= 0)
        r = timer_set_priority(&service->watchdog, SD_EVENT_PRIORITY_IMPORTANT);
    return r < 0 ? r : timer_set_after(&service->watchdog, 0);
}

/* Blocks a signal, because a blocked signal waits for its event source. */
static int hold_signal(int number)
{
    sigset_t one;

    sigemptyset(&one);
    sigaddset(&one, number);
    return sigprocmask(SIG_BLOCK, &one, NULL) < 0 ? -errno : 0;
}

/* Stop signals have a high priority, so that a busy loop still stops. */
static int add_stop_signal(struct service *service, int number)
{
    sd_event_source *source = NULL;
    int r = hold_signal(number);

    if (r >= 0)
        r = sd_event_add_signal(service->event, &source, number, on_signal, service);
    if (r >= 0)
        r = sd_event_source_set_priority(source, SD_EVENT_PRIORITY_IMPORTANT);
    if (r >= 0)
        r = sd_event_source_set_floating(source, true); /* it lives as long as the loop */
    sd_event_source_unref(source);
    return r;
}

/* While the source is off, the signal stays pending. */
static int add_hangup(struct service *service)
{
    int r = hold_signal(SIGHUP);

    if (r >= 0)
        r = sd_event_add_signal(service->event, &service->hangup, SIGHUP, on_hangup, service);
    return r < 0 ? r : sd_event_source_set_enabled(service->hangup, SD_EVENT_OFF);
}

/* nohup makes the process ignore SIGHUP. But a signal that is blocked for signalfd would be
 * delivered even if it is ignored. */
static bool is_hangup_ignored(void)
{
    struct sigaction action;

    return sigaction(SIGHUP, NULL, &action) >= 0 && action.sa_handler == SIG_IGN;
}

static int take_signals(struct service *service)
{
    int r = add_stop_signal(service, SIGTERM);

    if (r >= 0)
        r = add_stop_signal(service, SIGINT);
    if (r < 0 || is_hangup_ignored())
        return r;
    return isatty(STDIN_FILENO) ? add_stop_signal(service, SIGHUP) : add_hangup(service);
}

void service_hold_reload(void)
{
    if (!is_hangup_ignored() && !isatty(STDIN_FILENO))
        (void)hold_signal(SIGHUP);
}

static int set_up(struct service *service)
{
    int r;

    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -errno;
    r = sd_event_new(&service->event);
    if (r >= 0)
        r = take_signals(service);
    if (r >= 0)
        r = log_start_thread(service->event);
    if (r >= 0)
        r = timer_init(&service->status_timer, service->event, USEC_PER_MSEC, on_status_timer,
                       service);
    if (r >= 0)
        r = timer_init(&service->stop_timer, service->event, USEC_PER_MSEC, on_stop_timer, service);
    if (r >= 0)
        r = timer_set_priority(&service->stop_timer, SD_EVENT_PRIORITY_IMPORTANT);
    if (r >= 0)
        r = set_up_watchdog(service);
    return r;
}

int service_new(struct service **ret)
{
    CLEANUP(service_free) struct service *service = calloc(1, sizeof(*service));
    int r;

    if (!service)
        return -ENOMEM;
    r = set_up(service);
    if (r < 0)
        return r;
    *ret = TAKE(service);
    return 0;
}

void service_on_stop(struct service *service, const struct service_stop *stop)
{
    service->stop = *stop;
}

void service_set_stop_timeout(struct service *service, uint64_t timeout_usec)
{
    service->stop.timeout_usec = timeout_usec;
}

int service_on_reload(struct service *service, service_reload_fn reload, void *userdata)
{
    service->reload = reload;
    service->reload_userdata = userdata;
    return service->hangup ? sd_event_source_set_enabled(service->hangup, SD_EVENT_ON) : 0;
}

void service_on_watch(struct service *service, service_stall_fn find_stall, void *userdata)
{
    service->find_stall = find_stall;
    service->stall_userdata = userdata;
}

struct service *service_free(struct service *service)
{
    if (!service)
        return NULL;
    timer_done(&service->status_timer);
    timer_done(&service->stop_timer);
    timer_done(&service->watchdog);
    sd_event_source_disable_unref(service->hangup);
    log_stop_thread();
    sd_event_unref(service->event);
    free(service);
    return NULL;
}

sd_event *service_event(struct service *service)
{
    return service->event;
}

bool service_is_stopping(const struct service *service)
{
    return service->is_stopping;
}

void service_ready(struct service *service)
{
    if (service->is_ready)
        return;
    service->is_ready = true;
    sd_notify(0, "READY=1");
}

/* Makes one line of the text in STATUS_MAX_BYTES, because a line break would begin another
 * notification. Also removes a character that was cut in half: systemd drops a status that is not
 * valid UTF-8. */
static void mend_text(char *text)
{
    size_t size = strlen(text);

    for (int i = 0; i < 3 && size == STATUS_MAX_BYTES - 1 - (size_t)i && !utf8_is_valid(text, size);
         i++)
        size--;
    text[size] = '\0';
    for (; *text; text++)
        if (*text == '\n' || *text == '\r')
            *text = ' ';
}

/* Sends the status now, or as soon as that is allowed again. */
static void show_status(struct service *service)
{
    uint64_t now = now_usec(service);
    uint64_t due = service->status_sent_usec + STATUS_INTERVAL_USEC;

    if (service->status_sent_usec == 0 || now >= due) {
        send_status(service);
        return;
    }
    timer_set(&service->status_timer, due);
}

void service_status(struct service *service, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(service->status, sizeof(service->status), format, ap);
    va_end(ap);
    mend_text(service->status);
    show_status(service);
}

/* Sets a text that is shown after the status line. */
static void set_text(struct service *service, char to[static STATUS_MAX_BYTES], const char *text)
{
    if (!text && to[0] == '\0')
        return;
    snprintf(to, STATUS_MAX_BYTES, "%s", text ? text : "");
    mend_text(to);
    show_status(service);
}

void service_problem(struct service *service, const char *text)
{
    set_text(service, service->problem, text);
}

void service_note(struct service *service, const char *text)
{
    set_text(service, service->note, text);
}

const char *service_find_failure(struct service *service)
{
    const char *stall = service_find_stall(service);

    return stall ? stall : service->problem[0] != '\0' ? service->problem : NULL;
}

void service_exit(struct service *service, int exit_status)
{
    if (service->is_exiting)
        return;
    service->is_exiting = true;
    if (service->status[0])
        send_status(service);
    sd_event_exit(service->event, exit_status);
}

void service_exit_unfinished(struct service *service, int exit_status)
{
    if (service->stop.cut_short)
        service->stop.cut_short(service->stop.userdata);
    service_exit(service, exit_status);
}

int service_run(struct service *service)
{
    int r = sd_event_loop(service->event);

    if (r < 0) {
        log_error("The event loop failed: %s.", strerror(-r));
        return EX_OSERR;
    }
    return r;
}
