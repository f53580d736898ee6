/* SPDX-License-Identifier: MIT */
#include "ahead-clock.h"
#include "service-fixture.h"

#include <pty.h>

static int send_second_signal(sd_event_source *source, uint64_t usec, void *userdata)
{
    kill(getpid(), SIGINT);
    return 0;
}

static void signal_asks_to_stop(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT};

    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        struct plan p = {.exit_on_stop = true};

        n_notes = 0;
        plan_new(&p);
        kill(getpid(), signals[i]);
        assert_int_equal(service_run(p.service), EXIT_SUCCESS);
        assert_int_equal(p.n_stops, 1);
        assert_int_equal(p.n_cut_short, 0);
        assert_int_equal(count_notes("STOPPING=1"), 1);
        plan_done(&p);
    }
}

static void second_signal_ends_at_once(void **state)
{
    struct plan p = {};
    uint64_t start = boot_clock_usec();

    plan_new(&p);
    plan_timer(&p, 30 * USEC_PER_MSEC, send_second_signal);
    kill(getpid(), SIGTERM);
    assert_int_equal(service_run(p.service), EXIT_UNFINISHED);
    assert_int_equal(p.n_stops, 1);
    assert_int_equal(p.n_cut_short, 1);
    assert_in_range(boot_clock_usec() - start, 25 * USEC_PER_MSEC, TEST_PATIENCE_USEC);
    plan_done(&p);
}

static int hang_up_again(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct plan *p = userdata;
    bool is_stopping = p->n_stops == 1;

    if (!is_stopping || p->exit_status++ == 0) {
        if (is_stopping)
            kill(getpid(), SIGHUP);
        sd_event_source_set_time_relative(p->timer, 30 * USEC_PER_MSEC);
        sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
    } else {
        service_exit(p->service, EXIT_SUCCESS);
    }
    return 0;
}

/* Makes standard input a terminal. Returns what undoes that. */
static int give_terminal(int *ret_master)
{
    int saved = dup(STDIN_FILENO), slave;

    assert_int_equal(openpty(ret_master, &slave, NULL, NULL, NULL), 0);
    assert_true(dup2(slave, STDIN_FILENO) == STDIN_FILENO);
    close(slave);
    return saved;
}

static void take_terminal(int saved, int master)
{
    dup2(saved, STDIN_FILENO);
    close(saved);
    close(master);
}

/* The kernel tells it, and the shell: what is in hand is finished all the same. */
static void terminal_that_closes_asks_to_stop_once_or_twice(void **state)
{
    struct plan p = {};
    int master, saved = give_terminal(&master);

    service_hold_reload();
    plan_new(&p);
    assert_int_equal(service_on_reload(p.service, count_reload, &p), 0);
    plan_timer(&p, 30 * USEC_PER_MSEC, hang_up_again);
    kill(getpid(), SIGHUP);
    assert_int_equal(service_run(p.service), EXIT_SUCCESS);
    assert_int_equal(p.n_stops, 1);
    assert_int_equal(p.exit_status, 2);
    assert_int_equal(p.n_cut_short, 0);
    assert_int_equal(p.n_reloads, 0);
    plan_done(&p);
    take_terminal(saved, master);
}

static void under_nohup_hangup_is_not_heard(void **state)
{
    struct plan p = {.exit_status = EX_UNAVAILABLE};
    sigset_t set;

    /* As a new process has it. */
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
    signal(SIGHUP, SIG_IGN);
    service_hold_reload();
    plan_new(&p);
    assert_int_equal(service_on_reload(p.service, count_reload, &p), 0);
    plan_timer(&p, 30 * USEC_PER_MSEC, exit_planned);
    kill(getpid(), SIGHUP);
    assert_int_equal(service_run(p.service), EX_UNAVAILABLE);
    assert_int_equal(p.n_stops, 0);
    assert_int_equal(p.n_reloads, 0);
    plan_done(&p);
    signal(SIGHUP, SIG_DFL);
}

/* --- Reloads --- */

static unsigned long long monotonic_usec(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * USEC_PER_SEC + (unsigned long long)now.tv_nsec / 1000;
}

static void hangup_reloads_and_systemd_is_told(void **state)
{
    struct plan p = {};
    unsigned long long before, usec;
    int end = 0;

    plan_new(&p);
    service_ready(p.service);
    assert_int_equal(service_on_reload(p.service, count_reload, &p), 0);
    read_notes();
    n_notes = 0;
    before = monotonic_usec();
    kill(getpid(), SIGHUP);
    run_until(service_event(p.service), &p.n_reloads, 1);
    read_notes();
    assert_int_equal(n_notes, 2);
    assert_int_equal(sscanf(notes[0], "RELOADING=1\nMONOTONIC_USEC=%20llu%n", &usec, &end), 1);
    assert_int_equal(notes[0][end], '\0');
    assert_in_range(usec, before, monotonic_usec());
    assert_string_equal(notes[1], "READY=1");
    assert_int_equal(p.n_stops, 0);
    assert_false(service_is_stopping(p.service));
    plan_done(&p);
}

/* What the second SIGHUP asks to read may be newer than what the first reload has read. */
static void hangup_within_reload_makes_another_and_two_at_once_make_one(void **state)
{
    struct plan p = {.hangups_within = 2};

    plan_new(&p);
    service_ready(p.service);
    assert_int_equal(service_on_reload(p.service, count_reload, &p), 0);
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGHUP);
    run_for(service_event(p.service), 50 * USEC_PER_MSEC);
    assert_int_equal(p.n_reloads, 2);
    assert_int_equal(count_notes("RELOADING=1"), 2);
    assert_int_equal(count_notes("READY=1"), 3);
    assert_string_equal(notes[n_notes - 1], "READY=1");
    plan_done(&p);
}

/* systemd would take READY=1 for the end of the start. */
static void hangup_before_ready_reloads_and_systemd_is_not_told(void **state)
{
    struct plan p = {};

    plan_new(&p);
    assert_int_equal(service_on_reload(p.service, count_reload, &p), 0);
    kill(getpid(), SIGHUP);
    run_until(service_event(p.service), &p.n_reloads, 1);
    read_notes();
    assert_int_equal(n_notes, 0);
    service_ready(p.service);
    assert_int_equal(count_notes("READY=1"), 1);
    plan_done(&p);
}

static void hangup_before_reloads_are_possible_is_kept(void **state)
{
    struct plan p = {};
    sigset_t set;

    /* As a new process has it. */
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
    service_hold_reload();
    kill(getpid(), SIGHUP); /* would end the process */
    plan_new(&p);
    run_for(service_event(p.service), 30 * USEC_PER_MSEC);
    kill(getpid(), SIGHUP);
    run_for(service_event(p.service), 30 * USEC_PER_MSEC);
    assert_int_equal(service_on_reload(p.service, count_reload, &p), 0);
    run_until(service_event(p.service), &p.n_reloads, 1);
    run_for(service_event(p.service), 30 * USEC_PER_MSEC);
    assert_int_equal(p.n_reloads, 1);
    assert_int_equal(p.n_stops, 0);
    plan_done(&p);
}

static void hangup_during_stop_neither_reloads_nor_ends_it(void **state)
{
    struct plan p = {};

    plan_new(&p);
    service_ready(p.service);
    assert_int_equal(service_on_reload(p.service, count_reload, &p), 0);
    kill(getpid(), SIGTERM);
    run_until(service_event(p.service), &p.n_stops, 1);
    kill(getpid(), SIGHUP);
    run_for(service_event(p.service), 30 * USEC_PER_MSEC);
    assert_int_equal(p.n_reloads, 0);
    assert_int_equal(p.n_cut_short, 0);
    assert_int_equal(count_notes("RELOADING=1"), 0);
    plan_done(&p);
}

static void stop_timeout_that_was_changed_counts_for_the_next_stop(void **state)
{
    struct plan p = {};

    plan_new(&p);
    service_set_stop_timeout(p.service, 50 * USEC_PER_MSEC);
    kill(getpid(), SIGTERM);
    assert_int_equal(service_run(p.service), EXIT_UNFINISHED);
    assert_int_equal(p.n_cut_short, 1);
    plan_done(&p);
}

static void stop_is_cut_short_after_its_time(void **state)
{
    struct plan p = {.stop_timeout_usec = 150 * USEC_PER_MSEC};
    uint64_t start = boot_clock_usec();

    plan_new(&p);
    kill(getpid(), SIGTERM);
    assert_int_equal(service_run(p.service), EXIT_UNFINISHED);
    assert_int_equal(p.n_stops, 1);
    assert_int_equal(p.n_cut_short, 1);
    assert_in_range(boot_clock_usec() - start, 150 * USEC_PER_MSEC, TEST_PATIENCE_USEC);
    plan_done(&p);
}

/* The next asking must come within the time that the one before has asked for. */
static void systemd_is_asked_for_more_time_while_a_stop_lasts(void **state)
{
    struct plan p = {.stop_timeout_usec = 2 * SERVICE_STOP_EXTENSION_INTERVAL_USEC - USEC_PER_SEC};

    assert_true(SERVICE_STOP_EXTENSION_USEC > 2 * SERVICE_STOP_EXTENSION_INTERVAL_USEC);
    slow_clocks(32);
    plan_new(&p);
    kill(getpid(), SIGTERM);
    run_until(service_event(p.service), &p.n_stops, 1);
    assert_int_equal(count_notes("EXTEND_TIMEOUT_USEC=15000000"), 1);
    ahead_usec += SERVICE_STOP_EXTENSION_INTERVAL_USEC;
    run_for(service_event(p.service), USEC_PER_MSEC);
    assert_int_equal(count_notes("EXTEND_TIMEOUT_USEC=15000000"), 2);
    assert_int_equal(p.n_cut_short, 0);
    ahead_usec += SERVICE_STOP_EXTENSION_INTERVAL_USEC;
    run_until(service_event(p.service), &p.n_cut_short, 1);
    assert_int_equal(count_notes("EXTEND_TIMEOUT_USEC=15000000"), 2);
    plan_done(&p);
    slowed_by = 0;
}

static void signal_without_a_stop_function_exits(void **state)
{
    struct service *service;

    assert_int_equal(service_new(&service), 0);
    kill(getpid(), SIGTERM);
    assert_int_equal(service_run(service), EXIT_SUCCESS);
    service_free(service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(signal_asks_to_stop),
        TEST(second_signal_ends_at_once),
        TEST(terminal_that_closes_asks_to_stop_once_or_twice),
        TEST(under_nohup_hangup_is_not_heard),
        TEST(hangup_reloads_and_systemd_is_told),
        TEST(hangup_within_reload_makes_another_and_two_at_once_make_one),
        TEST(hangup_before_ready_reloads_and_systemd_is_not_told),
        TEST(hangup_before_reloads_are_possible_is_kept),
        TEST(hangup_during_stop_neither_reloads_nor_ends_it),
        TEST(stop_timeout_that_was_changed_counts_for_the_next_stop),
        TEST(stop_is_cut_short_after_its_time),
        TEST(systemd_is_asked_for_more_time_while_a_stop_lasts),
        TEST(signal_without_a_stop_function_exits),
    };

    return cmocka_run_group_tests_name("daemon-service-signals", tests, NULL, NULL);
}
