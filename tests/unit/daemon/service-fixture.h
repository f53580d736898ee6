/* SPDX-License-Identifier: MIT */
/* A service in a test: systemd's end of its notifications, and a plan of what it does. */
#pragma once

#include "daemon/service.h"
#include "test-loop.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- systemd's end of the notifications --- */

static int notify_fd = -1;
static char notify_path[64];
static char notes[1024][512];
static unsigned n_notes;

static inline void read_notes(void)
{
    ssize_t n;

    while (n_notes < ARRAY_SIZE(notes) &&
           (n = recv(notify_fd, notes[n_notes], sizeof(notes[0]) - 1, MSG_DONTWAIT)) > 0) {
        notes[n_notes][n] = '\0';
        n_notes++;
    }
}

static inline unsigned count_notes(const char *text)
{
    unsigned n = 0;

    read_notes();
    for (unsigned i = 0; i < n_notes; i++)
        n += strncmp(notes[i], text, strlen(text)) == 0;
    return n;
}

static inline int set_up(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    /* The caller may have it ignored, under nohup. */
    signal(SIGHUP, SIG_DFL);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    snprintf(notify_path, sizeof(notify_path), "/tmp/test-service.%d", (int)getpid());
    memcpy(address.sun_path, notify_path, strlen(notify_path) + 1);
    unlink(notify_path);
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    n_notes = 0;
    setenv("NOTIFY_SOCKET", notify_path, 1);
    return bind(notify_fd, (struct sockaddr *)&address, sizeof(address));
}

static inline int tear_down(void **state)
{
    close(notify_fd);
    unsetenv("NOTIFY_SOCKET");
    return unlink(notify_path);
}

/* --- Things to do once the loop runs --- */

struct plan {
    struct service *service;
    unsigned n_stops, n_cut_short;
    bool exit_on_stop;
    uint64_t stop_timeout_usec; /* 0: a minute */
    sd_event_source *timer;
    int exit_status;
    unsigned n_reloads;
    unsigned hangups_within; /* so many SIGHUPs come during the first reload */
};

static inline void on_stop(void *userdata)
{
    struct plan *p = userdata;

    p->n_stops++;
    assert_true(service_is_stopping(p->service));
    if (p->exit_on_stop)
        service_exit(p->service, EXIT_SUCCESS);
}

static inline void on_cut_short(void *userdata)
{
    struct plan *p = userdata;

    p->n_cut_short++;
}

static inline void count_reload(void *userdata)
{
    struct plan *p = userdata;

    p->n_reloads++;
    for (; p->hangups_within > 0; p->hangups_within--)
        kill(getpid(), SIGHUP);
}

static inline void plan_done(struct plan *p)
{
    sd_event_source_disable_unref(p->timer);
    service_free(p->service);
}

static inline void plan_new(struct plan *p)
{
    assert_int_equal(service_new(&p->service), 0);
    service_on_stop(p->service, &(struct service_stop){
                                    .timeout_usec = p->stop_timeout_usec ? p->stop_timeout_usec
                                                                         : 60 * USEC_PER_SEC,
                                    .begin = on_stop,
                                    .cut_short = on_cut_short,
                                    .userdata = p,
                                });
}

static inline void plan_timer(struct plan *p, uint64_t usec, sd_event_time_handler_t handler)
{
    assert_true(sd_event_add_time_relative(service_event(p->service), &p->timer, CLOCK_BOOTTIME,
                                           usec, 1, handler, p) >= 0);
}

static inline int exit_planned(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct plan *p = userdata;

    service_exit(p->service, p->exit_status);
    service_exit(p->service, 99);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
