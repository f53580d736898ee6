/* SPDX-License-Identifier: MIT */
/* How a daemon runs under systemd: the event loop, the signals that ask it to stop or to read its
 * settings again, READY, STATUS, the watchdog, and the exit status. Without systemd all of this
 * works, too, but nobody is notified. */
#pragma once

#include <sysexits.h>

#include <systemd/sd-event.h>

#include "util/macro.h"

/* Exit statuses, from sysexits.h; the units rely on them:
 *
 *  EX_CONFIG (78) and EX_USAGE (64): the configuration or the command line cannot be used;
 *  EX_NOPERM (77): credentials are missing or refused, a permission is missing, or the clock is off
 *    and cannot be corrected;
 *  EX_UNAVAILABLE (69): the queue does not exist, or SQS refuses for any other reason;
 *  EX_OSERR (71): this machine lacks something, such as memory;
 *  EX_IOERR (74): standard output cannot be written;
 *  EXIT_UNFINISHED (1): a stop had to leave work undone. */
enum { EXIT_UNFINISHED = 1 };

/* During a stop the daemon repeatedly asks systemd for this much more time, because the unit's
 * TimeoutStopSec= may be shorter than the daemon's stop_timeout. */
#define SERVICE_STOP_EXTENSION_USEC (15 * USEC_PER_SEC)
#define SERVICE_STOP_EXTENSION_INTERVAL_USEC (5 * USEC_PER_SEC)

/* How late work may be before it counts as stalled. */
#define SERVICE_LATE_MAX_USEC (10 * USEC_PER_SEC)

struct service;

/* What a daemon does when it is asked to stop. Each function is called at most once, from the event
 * loop. */
struct service_stop {
    uint64_t timeout_usec; /* from the first signal to the end, even if work is left */
    /* The daemon must start no new work, and must call service_exit when the work under way has
     * ended. */
    void (*begin)(void *userdata);
    /* The daemon ends with work undone: log what is left. NULL: none. */
    void (*cut_short)(void *userdata);
    void *userdata;
};

/* Sets up the event loop. From then on it handles SIGTERM, SIGINT and SIGHUP (not SIGHUP if it is
 * ignored, as under nohup). The first SIGTERM or SIGINT begins the stop. A second one ends the loop
 * at once, and so does the stop's time-out, both with EXIT_UNFINISHED. A signal before
 * service_on_stop ends the loop with success. If standard input is a terminal, SIGHUP begins the
 * stop, too: the terminal was closed. Otherwise it is kept for service_on_reload. Returns 0,
 * -ENOMEM or another errno of the loop. */
int service_new(struct service **ret);
void service_on_stop(struct service *service, const struct service_stop *stop);

/* Changes the time-out of a stop that has not begun. */
void service_set_stop_timeout(struct service *service, uint64_t timeout_usec);

/* Keeps a SIGHUP that comes before service_new from ending the process, unless it would begin a
 * stop or is ignored. It reaches the function below. */
void service_hold_reload(void);

/* Reads the settings again: `reload` runs from the event loop for each SIGHUP that does not begin a
 * stop, also for one that came before this call. SIGHUPs that come while it runs make it run once
 * more. systemd is told when it begins and ends (RELOADING=1, READY=1), but not before
 * service_ready. Nothing runs once a stop has begun. */
typedef void (*service_reload_fn)(void *userdata);
int service_on_reload(struct service *service, service_reload_fn reload, void *userdata);

/* Why the work is stalled, as a text for the log. NULL: it is not stalled, or it waits for
 * something that will come by itself: a request within its deadline, or a time that has not come
 * yet. The function only looks and changes nothing. `now_usec` is on the boot clock. */
typedef const char *(*service_stall_fn)(void *userdata, uint64_t now_usec);

/* systemd's watchdog: if the unit has WatchdogSec=, systemd ends the daemon with SIGABRT and starts
 * it again when it has not been fed for that long (sd_watchdog_enabled(3)). The event loop feeds it
 * three times in that period; a callback that hangs stops that. Without WatchdogSec= nothing is fed
 * and nothing is looked at.
 *
 * `find_stall` is called each time before the watchdog is fed. After it has reported a stall
 * twice in a row, the watchdog is not fed any more while the stall lasts, so that systemd restarts
 * the daemon. Without `find_stall`, a running event loop is enough. */
void service_on_watch(struct service *service, service_stall_fn find_stall, void *userdata);

/* The stall that the watchdog would see now, or NULL. */
const char *service_find_stall(struct service *service);

struct service *service_free(struct service *service);
DEFINE_CLEANUP(struct service *, service_free)

sd_event *service_event(struct service *service); /* borrowed */

/* Whether a stop was asked for. */
bool service_is_stopping(const struct service *service);

/* Tells systemd once that the start is over; later calls do nothing. */
void service_ready(struct service *service);

/* Sets the status line of `systemctl status`. It is sent at most ten times a second; the last one
 * is always sent. */
void service_status(struct service *service, const char *format, ...) PRINTF_FORMAT(2, 3);

/* Sets the problem that the daemon waits for; it is shown after the status line. NULL clears it.
 * The text is copied. */
void service_problem(struct service *service, const char *text);

/* The same for something that does not keep the daemon from its work; it is shown last. */
void service_note(struct service *service, const char *text);

/* The stall that the watchdog would see now, or the problem that the daemon waits for; NULL: there
 * is neither. Borrowed until the event loop runs again. */
const char *service_find_failure(struct service *service);

/* Ends the event loop with this exit status. Only the first call counts. */
void service_exit(struct service *service, int exit_status);

/* The same, but work is left undone: service_stop.cut_short logs what is left. */
void service_exit_unfinished(struct service *service, int exit_status);

/* Runs the loop. Returns the exit status. */
int service_run(struct service *service);
