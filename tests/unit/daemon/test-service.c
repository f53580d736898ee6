/* SPDX-License-Identifier: MIT */
#include "daemon/service.h"
#include "test-loop.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/encode.h"

/* --- systemd's end of the notifications --- */

static int notify_fd = -1;
static char notify_path[64];
static char notes[64][512];
static uint64_t note_times_usec[64];
static unsigned n_notes;

static void read_notes(void)
{
    ssize_t n;

    while (n_notes < ARRAY_SIZE(notes) &&
           (n = recv(notify_fd, notes[n_notes], sizeof(notes[0]) - 1, MSG_DONTWAIT)) > 0) {
        notes[n_notes][n] = '\0';
        note_times_usec[n_notes] = boot_clock_usec();
        n_notes++;
    }
}

static unsigned count_notes(const char *text)
{
    unsigned n = 0;

    read_notes();
    for (unsigned i = 0; i < n_notes; i++)
        n += strncmp(notes[i], text, strlen(text)) == 0;
    return n;
}

static int set_up(void **state)
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

static int tear_down(void **state)
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
};

static void on_stop(void *userdata)
{
    struct plan *p = userdata;

    p->n_stops++;
    assert_true(service_is_stopping(p->service));
    if (p->exit_on_stop)
        service_exit(p->service, EXIT_SUCCESS);
}

static void on_cut_short(void *userdata)
{
    struct plan *p = userdata;

    p->n_cut_short++;
}

static void plan_done(struct plan *p)
{
    sd_event_source_disable_unref(p->timer);
    service_free(p->service);
}

static void plan_new(struct plan *p)
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

static void plan_timer(struct plan *p, uint64_t usec, sd_event_time_handler_t handler)
{
    assert_true(sd_event_add_time_relative(service_event(p->service), &p->timer, CLOCK_BOOTTIME,
                                           usec, 1, handler, p) >= 0);
}

static int exit_planned(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct plan *p = userdata;

    service_exit(p->service, p->exit_status);
    service_exit(p->service, 99);
    return 0;
}

static int send_second_signal(sd_event_source *source, uint64_t usec, void *userdata)
{
    kill(getpid(), SIGINT);
    return 0;
}

static void the_first_exit_status_counts(void **state)
{
    struct plan p = {.exit_status = EX_UNAVAILABLE};

    plan_new(&p);
    plan_timer(&p, USEC_PER_MSEC, exit_planned);
    assert_false(service_is_stopping(p.service));
    assert_int_equal(service_run(p.service), EX_UNAVAILABLE);
    assert_int_equal(p.n_stops, 0);
    plan_done(&p);
    assert_null(service_free(NULL));
}

static void a_signal_asks_to_stop(void **state)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP};

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

static void a_second_signal_ends_at_once(void **state)
{
    struct plan p = {};
    uint64_t start = boot_clock_usec();

    plan_new(&p);
    plan_timer(&p, 30 * USEC_PER_MSEC, send_second_signal);
    kill(getpid(), SIGTERM);
    assert_int_equal(service_run(p.service), EXIT_UNFINISHED);
    assert_int_equal(p.n_stops, 1);
    assert_int_equal(p.n_cut_short, 1);
    assert_in_range(boot_clock_usec() - start, 25 * USEC_PER_MSEC, 10 * USEC_PER_SEC);
    plan_done(&p);
}

static int hang_up_again(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct plan *p = userdata;

    if (p->n_stops == 1 && p->exit_status++ == 0) {
        kill(getpid(), SIGHUP);
        sd_event_source_set_time_relative(p->timer, 30 * USEC_PER_MSEC);
        sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
    } else {
        service_exit(p->service, EXIT_SUCCESS);
    }
    return 0;
}

/* The kernel tells it, and the shell: what is in hand is finished all the same. */
static void a_terminal_that_closes_may_say_so_twice(void **state)
{
    struct plan p = {};

    plan_new(&p);
    plan_timer(&p, 30 * USEC_PER_MSEC, hang_up_again);
    kill(getpid(), SIGHUP);
    assert_int_equal(service_run(p.service), EXIT_SUCCESS);
    assert_int_equal(p.n_stops, 1);
    assert_int_equal(p.exit_status, 2);
    assert_int_equal(p.n_cut_short, 0);
    plan_done(&p);
}

static void under_nohup_a_terminal_that_closes_is_not_heard(void **state)
{
    struct plan p = {.exit_status = EX_UNAVAILABLE};
    sigset_t set;

    /* As a new process has it. */
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
    signal(SIGHUP, SIG_IGN);
    plan_new(&p);
    plan_timer(&p, 30 * USEC_PER_MSEC, exit_planned);
    kill(getpid(), SIGHUP);
    assert_int_equal(service_run(p.service), EX_UNAVAILABLE);
    assert_int_equal(p.n_stops, 0);
    plan_done(&p);
    signal(SIGHUP, SIG_DFL);
}

static void a_stop_is_cut_short_after_its_time(void **state)
{
    struct plan p = {.stop_timeout_usec = 150 * USEC_PER_MSEC};
    uint64_t start = boot_clock_usec();

    plan_new(&p);
    kill(getpid(), SIGTERM);
    assert_int_equal(service_run(p.service), EXIT_UNFINISHED);
    assert_int_equal(p.n_stops, 1);
    assert_int_equal(p.n_cut_short, 1);
    assert_in_range(boot_clock_usec() - start, 150 * USEC_PER_MSEC, 10 * USEC_PER_SEC);
    plan_done(&p);
}

/* The next asking must come within the time that the one before has asked for. */
static void systemd_is_asked_for_more_time_while_a_stop_lasts(void **state)
{
    struct plan p = {.stop_timeout_usec = SERVICE_STOP_EXTENSION_INTERVAL_USEC + USEC_PER_SEC / 4};

    assert_true(SERVICE_STOP_EXTENSION_USEC > 2 * SERVICE_STOP_EXTENSION_INTERVAL_USEC);
    plan_new(&p);
    kill(getpid(), SIGTERM);
    assert_int_equal(service_run(p.service), EXIT_UNFINISHED);
    assert_int_equal(count_notes("EXTEND_TIMEOUT_USEC=15000000"), 2);
    plan_done(&p);
}

static void without_a_stop_function_a_signal_exits(void **state)
{
    struct service *service;

    assert_int_equal(service_new(&service), 0);
    kill(getpid(), SIGTERM);
    assert_int_equal(service_run(service), EXIT_SUCCESS);
    service_free(service);
}

static void ready_is_told_once(void **state)
{
    struct plan p = {};

    plan_new(&p);
    assert_int_equal(count_notes("READY=1"), 0);
    service_ready(p.service);
    service_ready(p.service);
    assert_int_equal(count_notes("READY=1"), 1);
    plan_done(&p);
}

static unsigned n_statuses;

static int show_status(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct plan *p = userdata;

    if (n_statuses == 300) {
        service_exit(p->service, EXIT_SUCCESS);
        return 0;
    }
    service_status(p->service, "Sent %u of 300", ++n_statuses);
    sd_event_source_set_time_relative(source, USEC_PER_MSEC);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

static void the_status_is_sent_ten_times_a_second_and_the_last_for_sure(void **state)
{
    struct plan p = {};
    uint64_t start = boot_clock_usec();
    unsigned most;

    n_statuses = 0;
    plan_new(&p);
    plan_timer(&p, 0, show_status);
    assert_int_equal(service_run(p.service), EXIT_SUCCESS);
    most = (unsigned)((boot_clock_usec() - start) / (100 * USEC_PER_MSEC)) + 2;
    assert_in_range(count_notes("STATUS=Sent "), 3, most);
    assert_string_equal(notes[0], "STATUS=Sent 1 of 300");
    assert_string_equal(notes[n_notes - 1], "STATUS=Sent 300 of 300");
    plan_done(&p);
}

static void the_last_status_comes_without_another_call(void **state)
{
    struct plan p = {};

    plan_new(&p);
    service_status(p.service, "first");
    service_status(p.service, "second");
    service_status(p.service, "third");
    assert_int_equal(count_notes("STATUS="), 1);
    run_for(service_event(p.service), 150 * USEC_PER_MSEC);
    assert_int_equal(count_notes("STATUS="), 2);
    assert_string_equal(notes[n_notes - 1], "STATUS=third");
    plan_done(&p);
}

static void a_long_status_is_cut_between_characters(void **state)
{
    struct plan p = {};
    char text[600];

    plan_new(&p);
    for (unsigned shift = 0; shift < 4; shift++) {
        n_notes = 0;
        memset(text, 'a', shift);
        for (size_t at = shift; at < 400; at += 4)
            memcpy(text + at, "\xf0\x9f\x98\x80", 5);
        service_status(p.service, "%s", text);
        run_for(service_event(p.service), 120 * USEC_PER_MSEC);
        assert_int_equal(count_notes("STATUS="), 1);
        assert_true(strlen(notes[0]) > 200);
        assert_true(utf8_is_valid(notes[0], strlen(notes[0])));
    }
    plan_done(&p);
}

static void trouble_stands_behind_the_status_until_it_is_over(void **state)
{
    static const struct {
        const char *status, *trouble, *note;
    } steps[] = {
        {NULL, "Waiting", "STATUS=Waiting"},
        {"Sent 1", NULL, "STATUS=Sent 1; Waiting"},
        {NULL, "Still\nMAINPID=1\rx", "STATUS=Sent 1; Still MAINPID=1 x"},
        {"Sent 2", NULL, "STATUS=Sent 2; Still MAINPID=1 x"},
        {NULL, "", "STATUS=Sent 2"},
    };
    struct plan p = {};

    plan_new(&p);
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        n_notes = 0;
        if (steps[i].status)
            service_status(p.service, "%s", steps[i].status);
        else
            service_problem(p.service, is_set(steps[i].trouble) ? steps[i].trouble : NULL);
        run_for(service_event(p.service), 120 * USEC_PER_MSEC);
        assert_int_equal(count_notes("STATUS="), 1);
        assert_string_equal(notes[0], steps[i].note);
    }
    plan_done(&p);
}

/* Reads meanwhile: a full socket would block the loop, as that of a systemd that hangs. */
static void run_until_fed(struct plan *p, unsigned n)
{
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    while (count_notes("WATCHDOG=1") < n) {
        assert_true(sd_event_run(service_event(p->service), 100 * USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() < end);
    }
}

static void the_watchdog_is_fed_from_the_loop(void **state)
{
    struct plan p = {};
    uint64_t start = boot_clock_usec();

    setenv("WATCHDOG_USEC", "300000", 1);
    plan_new(&p);
    run_until_fed(&p, 4);
    /* Not more often than it should. */
    assert_true(boot_clock_usec() - start >= 3 * 100 * USEC_PER_MSEC);
    plan_done(&p);
    unsetenv("WATCHDOG_USEC");
}

static void a_watchdog_setting_that_is_no_number_is_named(void **state)
{
    struct service *service = NULL;
    int saved = dup(STDERR_FILENO), fd = memfd_create("stderr", MFD_CLOEXEC);
    char text[1024] = "";

    fflush(stderr);
    dup2(fd, STDERR_FILENO);
    setenv("WATCHDOG_USEC", "0", 1);
    assert_int_equal(service_new(&service), -EINVAL);
    unsetenv("WATCHDOG_USEC");
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_null(service);
    assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
    close(fd);
    assert_non_null(strstr(text, "WATCHDOG_USEC or WATCHDOG_PID in the environment is no such"));
}

static const char *hanging;
static unsigned n_looks;

static const char *note_look(void *userdata, uint64_t now_usec)
{
    assert_in_range(now_usec, boot_clock_usec() - USEC_PER_SEC, boot_clock_usec());
    n_looks++;
    return hanging;
}

static void the_watchdog_is_not_fed_while_the_work_hangs(void **state)
{
    struct plan p = {};
    unsigned n_fed, looks;

    setenv("WATCHDOG_USEC", "60000", 1);
    hanging = NULL;
    n_looks = 0;
    plan_new(&p);
    service_on_watch(p.service, note_look, NULL);
    run_until(service_event(p.service), &n_looks, 3);
    n_fed = count_notes("WATCHDOG=1");
    assert_int_equal(n_fed, 3);

    /* Some looks, and nothing fed. */
    hanging = "why";
    assert_string_equal(service_find_stall(p.service), "why");
    looks = n_looks;
    run_until(service_event(p.service), &n_looks, looks + 5);
    assert_int_equal(count_notes("WATCHDOG=1"), n_fed);

    /* And again, once it goes on. */
    hanging = NULL;
    assert_null(service_find_stall(p.service));
    looks = n_looks;
    run_until(service_event(p.service), &n_looks, looks + 2);
    assert_int_equal(count_notes("WATCHDOG=1"), n_fed + 2);
    plan_done(&p);
    unsetenv("WATCHDOG_USEC");
}

static int stay_busy(sd_event_source *source, void *userdata)
{
    return 0;
}

static void a_busy_loop_feeds_the_watchdog(void **state)
{
    struct plan p = {};
    sd_event_source *busy = NULL;

    setenv("WATCHDOG_USEC", "60000", 1);
    plan_new(&p);
    assert_true(sd_event_add_defer(service_event(p.service), &busy, stay_busy, NULL) >= 0);
    assert_true(sd_event_source_set_enabled(busy, SD_EVENT_ON) >= 0);
    run_until_fed(&p, 4);
    sd_event_source_disable_unref(busy);
    plan_done(&p);
    unsetenv("WATCHDOG_USEC");
}

static void all_works_without_systemd(void **state)
{
    struct plan p = {.exit_on_stop = true};

    unsetenv("NOTIFY_SOCKET");
    plan_new(&p);
    service_ready(p.service);
    service_status(p.service, "nobody reads this");
    kill(getpid(), SIGTERM);
    assert_int_equal(service_run(p.service), EXIT_SUCCESS);
    plan_done(&p);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_exit_status_counts),
        TEST(a_signal_asks_to_stop),
        TEST(a_second_signal_ends_at_once),
        TEST(a_terminal_that_closes_may_say_so_twice),
        TEST(under_nohup_a_terminal_that_closes_is_not_heard),
        TEST(a_stop_is_cut_short_after_its_time),
        TEST(systemd_is_asked_for_more_time_while_a_stop_lasts),
        TEST(without_a_stop_function_a_signal_exits),
        TEST(ready_is_told_once),
        TEST(the_status_is_sent_ten_times_a_second_and_the_last_for_sure),
        TEST(the_last_status_comes_without_another_call),
        TEST(a_long_status_is_cut_between_characters),
        TEST(trouble_stands_behind_the_status_until_it_is_over),
        TEST(the_watchdog_is_fed_from_the_loop),
        TEST(a_watchdog_setting_that_is_no_number_is_named),
        TEST(the_watchdog_is_not_fed_while_the_work_hangs),
        TEST(a_busy_loop_feeds_the_watchdog),
        TEST(all_works_without_systemd),
    };

    return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
