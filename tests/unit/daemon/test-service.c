/* SPDX-License-Identifier: MIT */
#include "service-fixture.h"

#include <sys/mman.h>

#include "util/encode.h"

static void first_exit_status_counts(void **state)
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

    read_notes(); /* a slow machine makes more of them than the socket holds */
    if (n_statuses == 300) {
        service_exit(p->service, EXIT_SUCCESS);
        return 0;
    }
    service_status(p->service, "Sent %u of 300", ++n_statuses);
    sd_event_source_set_time_relative(source, USEC_PER_MSEC);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

static void status_is_sent_ten_times_a_second_and_the_last_for_sure(void **state)
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

static void last_status_comes_without_another_call(void **state)
{
    struct plan p = {};

    plan_new(&p);
    run_what_is_due(service_event(p.service)); /* all three come within one turn of the loop */
    service_status(p.service, "first");
    service_status(p.service, "second");
    service_status(p.service, "third");
    assert_int_equal(count_notes("STATUS="), 1);
    run_for(service_event(p.service), 150 * USEC_PER_MSEC);
    assert_int_equal(count_notes("STATUS="), 2);
    assert_string_equal(notes[n_notes - 1], "STATUS=third");
    plan_done(&p);
}

static void long_status_is_cut_between_characters(void **state)
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

/* A note stands last in the status, and is no failure of the work. */
static void problem_is_a_failure_and_a_note_is_none(void **state)
{
    struct plan p = {};

    plan_new(&p);
    service_status(p.service, "Sent 1");
    service_note(p.service, "no metrics");
    assert_null(service_find_failure(p.service));
    service_problem(p.service, "Waiting");
    assert_string_equal(service_find_failure(p.service), "Waiting");
    run_for(service_event(p.service), 120 * USEC_PER_MSEC);
    assert_true(count_notes("STATUS=") > 0);
    assert_string_equal(notes[n_notes - 1], "STATUS=Sent 1; Waiting; no metrics");
    service_problem(p.service, NULL);
    assert_null(service_find_failure(p.service));
    run_for(service_event(p.service), 120 * USEC_PER_MSEC);
    assert_true(count_notes("STATUS=") > 0);
    assert_string_equal(notes[n_notes - 1], "STATUS=Sent 1; no metrics");
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

static void watchdog_is_fed_from_the_loop(void **state)
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

static void watchdog_setting_that_is_no_number_is_named(void **state)
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
    assert_non_null(
        strstr(text, "WATCHDOG_USEC or WATCHDOG_PID in the environment is not a valid number"));
}

static const char *hanging;
static unsigned n_looks;

static const char *note_look(void *userdata, uint64_t now_usec)
{
    assert_in_range(now_usec, boot_clock_usec() - TEST_PATIENCE_USEC, boot_clock_usec());
    n_looks++;
    return hanging;
}

static void watchdog_is_not_fed_while_the_work_hangs(void **state)
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

static void busy_loop_feeds_the_watchdog(void **state)
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

static void service_without_systemd_works(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_exit_status_counts),
        TEST(ready_is_told_once),
        TEST(status_is_sent_ten_times_a_second_and_the_last_for_sure),
        TEST(last_status_comes_without_another_call),
        TEST(long_status_is_cut_between_characters),
        TEST(trouble_stands_behind_the_status_until_it_is_over),
        TEST(problem_is_a_failure_and_a_note_is_none),
        TEST(watchdog_is_fed_from_the_loop),
        TEST(watchdog_setting_that_is_no_number_is_named),
        TEST(watchdog_is_not_fed_while_the_work_hangs),
        TEST(busy_loop_feeds_the_watchdog),
        TEST(service_without_systemd_works),
    };

    return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
