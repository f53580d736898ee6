/* SPDX-License-Identifier: MIT */
/* A daemon's life under systemd: the loop, the signals that ask to stop, READY, STATUS, the
 * watchdog, the exit status. All of it works as well without systemd: then nobody is told. */
#pragma once

#include <sysexits.h>

#include <systemd/sd-event.h>

#include "util/macro.h"

/* Exit statuses, from sysexits.h, as the units know them: EX_CONFIG (78) and EX_USAGE (64) for a
 * configuration or a command line that cannot be used, EX_NOPERM (77) for missing or refused
 * credentials, a missing permission and a clock that cannot be corrected, EX_UNAVAILABLE (69) for a
 * missing queue and every other refusal by SQS, EX_OSERR (71) where the machine lacks something,
 * EX_IOERR (74) where standard output takes nothing, and this one where a stop had to leave work
 * undone. */
enum { EXIT_UNFINISHED = 1 };

/* While a stop is under way, systemd is asked again and again for this much more time: a unit's
 * TimeoutStopSec= may be shorter than the daemon's own stop_timeout. */
#define SERVICE_STOP_EXTENSION_USEC (15 * USEC_PER_SEC)
#define SERVICE_STOP_EXTENSION_INTERVAL_USEC (5 * USEC_PER_SEC)

/* How late something may come that has a time, before it counts as hanging. */
#define SERVICE_LATE_MAX_USEC (10 * USEC_PER_SEC)

struct service;

/* What a daemon does about a stop. Each is called once at most, from the loop. */
struct service_stop {
    uint64_t timeout_usec; /* from the first signal to the end, whatever is still under way */
    /* Asks the daemon to begin no new work and to call service_exit when what is under way has
     * ended. */
    void (*begin)(void *userdata);
    /* The stop ends here, with work undone: to say what is left. May be NULL. */
    void (*cut_short)(void *userdata);
    void *userdata;
};

/* Sets up the loop. From here on SIGTERM, SIGINT and SIGHUP (unless it is ignored, as nohup has it)
 * are taken by it: the first begins the stop; another SIGTERM or SIGINT ends the loop at once, and
 * so does the stop's time-out, both with EXIT_UNFINISHED. Before service_on_stop, the first
 * signal ends the loop with success. 0, -ENOMEM, or another errno of the loop. */
int service_new(struct service **ret);
void service_on_stop(struct service *service, const struct service_stop *stop);

/* What keeps the work from going on, for the log; NULL where it goes on, or waits for what will
 * come by itself: a request under way within its deadline, a time not yet over. Looks only, changes
 * nothing. `now_usec`: the boot clock. */
typedef const char *(*service_stall_fn)(void *userdata, uint64_t now_usec);

/* Under systemd's watchdog `hangs` is asked before each feeding: it is fed only while nothing hangs
 * (a second look, soon after the first, must agree), so that work that has come to a standstill
 * ends the daemon, and systemd starts it anew. Without it a loop that goes on is enough. */
void service_on_watch(struct service *service, service_stall_fn hangs, void *userdata);

/* What the watchdog would be told now. */
const char *service_find_stall(struct service *service);

struct service *service_free(struct service *service);
DEFINE_CLEANUP(struct service *, service_free)

sd_event *service_event(struct service *service); /* borrowed */

/* Whether a stop was asked for. */
bool service_is_stopping(const struct service *service);

/* Tells systemd once that the start is over; later calls do nothing. */
void service_ready(struct service *service);

/* Sets the line that `systemctl status` shows. Sent at most ten times a second, the last one for
 * sure. */
void service_status(struct service *service, const char *format, ...) PRINTF_FORMAT(2, 3);

/* What the daemon waits for, shown behind the status until it is taken back with NULL. Copied. */
void service_problem(struct service *service, const char *text);

/* Ends the loop with that exit status. The first call counts. */
void service_exit(struct service *service, int exit_status);

/* The same, with work undone: what is left is said by service_stop.cut_short. */
void service_exit_unfinished(struct service *service, int exit_status);

/* Runs the loop. Returns the exit status. */
int service_run(struct service *service);
