/* SPDX-License-Identifier: MIT */
#include "intake-fixture.h"

#include <sys/wait.h>

static void assert_refused_connection(const struct client *c, const char *words)
{
    assert_true(c->has_ended);
    assert_int_equal(count_lines(c), 1);
    assert_answer(c, 0, "{\"ok\": false, \"error\": \"too many connections: ");
    assert_non_null(strstr(answer(c, 0), "try again later\", \"temporary\": true}"));
    if (!strstr(answer(c, 0), words))
        fail_msg("\"%s\" is not in: %s", words, answer(c, 0));
}

static void thousand_connections_are_served_and_more_are_refused(void **state)
{
    enum { QUIET = 10, N = INTAKE_CONNECTIONS_MAX };
    CLEANUP(fixture_free) struct fixture *f = NULL;

    if (!allow_files(3000)) {
        print_message("the limit of open files is too low here\n");
        skip();
    }
    f = set_up(0, USEC_PER_MSEC);
    stop_boot_clock();
    /* Of as many users; all but ten with a part of a line. */
    for (size_t i = 0; i < N; i++) {
        struct client *c = new_client(f);

        peer_uid = (uid_t)(2000 + i);
        if (i >= QUIET)
            send_text(f, c, "{\"body\":\"");
        run_once(f);
    }
    for (int i = 0; i < 200; i++)
        run_once(f);
    assert_int_equal(intake_counts(f->intake).connections, N);
    assert_true(intake_counts(f->intake).buffered_bytes <= N * 64);
    assert_int_equal(f->n_changed, 1);

    /* Idle connections lose their slots to new ones; then no slot is left. */
    boot_clock_offset_sec++;
    for (size_t i = 0; i < QUIET; i++)
        assert_false(arrive(f, (uid_t)(4000 + i), "{\"body\":\"")->has_ended);
    for (size_t i = 0; i < QUIET; i++)
        wait_for_end(f, &f->clients[i]);
    for (size_t i = 0; i < QUIET; i++)
        assert_refused_connection(arrive(f, (uid_t)(5000 + i), "{\"body\":\"x\"}\n"),
                                  "1000 of 1000 connections are in use");
    for (size_t i = QUIET; i < N + QUIET; i++) {
        send_text(f, &f->clients[i], "y\"}\n");
        wait_for_lines(f, &f->clients[i], 1);
        assert_true(is_ok(answer(&f->clients[i], 0)));
    }
    assert_int_equal(f->store.n_committed, N);
}

static void user_has_as_many_connections_as_slots_are_free(void **state)
{
    enum { ONE = 4001, OTHER = 4002, SHARE = INTAKE_CONNECTIONS_MAX / 2 };
    CLEANUP(buffer_done) struct buffer status = BUFFER_INIT(1024);
    CLEANUP(fixture_free) struct fixture *f = NULL;

    if (!allow_files(3000))
        skip();
    f = set_up(0, 0);
    stop_boot_clock();
    for (size_t i = 0; i < SHARE; i++)
        assert_false(arrive(f, ONE, "{")->has_ended);
    intake_describe(f->intake, &status);
    assert_int_equal(status.size, 0);
    for (size_t i = 0; i < 20; i++)
        assert_refused_connection(arrive(f, ONE, "{\"body\":\"x\"}\n"),
                                  "500 of 1000 connections are in use, 500 of them by user 4001");
    intake_describe(f->intake, &status);
    assert_non_null(strstr(buffer_string(&status), "told to try again later: 500 of 1000"));
    assert_int_equal(f->n_changed, 1);
    for (size_t i = 0; i < SHARE / 2; i++)
        assert_false(arrive(f, OTHER, "{")->has_ended);
    assert_refused_connection(arrive(f, OTHER, "{"), "by user 4001");
    assert_true(is_ok(answer(arrive(f, 4003, "{\"body\":\"x\"}\n"), 0)));
    /* Closed connections free their slots. */
    for (size_t i = 0; i < SHARE; i++) {
        close(f->clients[i].fd);
        f->clients[i].fd = -1;
    }
    while (intake_counts(f->intake).connections > SHARE / 2 + 1)
        run_once(f);
    assert_true(is_ok(answer(arrive(f, OTHER, "{\"body\":\"x\"}\n"), 0)));
    assert_int_equal(f->store.n_committed, 2);
}

/* An idle connection keeps its slot for ten seconds, so that its user need not connect again. */
static void connection_idle_for_ten_seconds_loses_its_slot(void **state)
{
    enum { ONE = 4001, SHARE = INTAKE_CONNECTIONS_MAX / 2 };
    static const char line[] = "{\"body\":\"x\"}\n";
    CLEANUP(fixture_free) struct fixture *f = NULL;

    if (!allow_files(3000))
        skip();
    f = set_up(0, 0);
    stop_boot_clock();
    for (size_t i = 0; i < SHARE; i++)
        assert_true(is_ok(answer(arrive(f, ONE, line), 0)));
    boot_clock_offset_sec += INTAKE_IDLE_USEC / USEC_PER_SEC - 5;
    assert_refused_connection(arrive(f, ONE, line), "500 of 1000 connections are in use");
    boot_clock_offset_sec += 5;
    assert_true(is_ok(answer(arrive(f, ONE, line), 0)));
    wait_for_end(f, &f->clients[0]);
    assert_int_equal(intake_counts(f->intake).connections, SHARE);
    assert_true(INTAKE_IDLE_USEC == 10 * USEC_PER_SEC);
}

static void full_store_names_the_user_who_filled_it(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    static const char line[] = "{\"body\":\"x\"}\n";

    fake_n_lines = 0;
    f->store.n_full_after = 4;
    arrive(f, 4001, line);
    for (int i = 0; i < 3; i++)
        arrive(f, 4002, line);
    assert_int_equal(fake_count_lines("The spool is full"), 0);
    for (int i = 0; i < 3; i++)
        arrive(f, 4001, line);
    assert_int_equal(
        fake_count_lines("of the 4 messages that have come since the start, user 4002 has "
                         "submitted 3"),
        1);
    assert_int_equal(fake_count_lines("The spool is full"), 1);
}

static void uncommitted_messages_are_not_counted_for_a_user(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    static const char line[] = "{\"body\":\"x\"}\n";

    fake_n_lines = 0;
    f->store.n_full_after = 2;
    f->store.commit_result = -EIO;
    for (int i = 0; i < 3; i++)
        arrive(f, 4003, line);
    f->store.commit_result = 0;
    arrive(f, 4001, line);
    arrive(f, 4001, line);
    arrive(f, 4003, line);
    assert_int_equal(
        fake_count_lines("of the 2 messages that have come since the start, user 4001 has "
                         "submitted 2"),
        1);
}

/* Neither root nor the daemon's own user. */
static void command_from_another_user_is_refused(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    static const char line[] = "{\"command\":\"drop\",\"id\":\"all\"}\n";
    struct client *c;

    f->store.n_rejected = 5;
    c = arrive(f, geteuid() + 1, line);
    wait_for_lines(f, c, 1);
    assert_answer(c, 0, "{\"ok\": false, \"error\": \"command: only root and");
    assert_int_equal(f->store.n_rejected, 5);
    c = arrive(f, 0, line); /* this process's own */
    wait_for_lines(f, c, 1);
    assert_true(is_ok(answer(c, 0)));
    assert_int_equal(f->store.n_rejected, 0);
}

/* In a process of its own, for the limit is not raised again. */
static void low_file_limit_serves_fewer_connections(void **state)
{
    int status, child = fork();

    if (child == 0) {
        struct rlimit limit = {100, 100};
        struct fixture *f;
        size_t n_served;
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        dup2(null, STDERR_FILENO); /* the warning */
        setrlimit(RLIMIT_NOFILE, &limit);
        f = set_up(0, 0);
        for (uid_t i = 0; i < 40; i++) {
            peer_uid = 4000 + i;
            new_client(f);
            run_once(f);
        }
        for (int i = 0; i < 20; i++)
            run_once(f);
        n_served = intake_counts(f->intake).connections;
        tear_down(f);
        _exit(n_served == 36 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousand_connections_are_served_and_more_are_refused),
        cmocka_unit_test(user_has_as_many_connections_as_slots_are_free),
        cmocka_unit_test(connection_idle_for_ten_seconds_loses_its_slot),
        cmocka_unit_test(full_store_names_the_user_who_filled_it),
        cmocka_unit_test(uncommitted_messages_are_not_counted_for_a_user),
        cmocka_unit_test(command_from_another_user_is_refused),
        cmocka_unit_test(low_file_limit_serves_fewer_connections),
    };

    return cmocka_run_group_tests_name("intake-users", tests, NULL, NULL);
}
