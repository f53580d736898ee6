/* SPDX-License-Identifier: MIT */
#include "intake-fixture.h"

static void message_is_stored_before_it_is_answered(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);
    CLEANUP(submission_reply_free) struct submission_reply *reply = NULL;

    f->store.watched = c->fd;
    send_text(f, c, "{\"body\":\"hello\"}\n");
    wait_for_lines(f, c, 1);
    assert_int_equal(f->store.n_committed, 1);
    assert_int_equal(f->store.n_early, 0);
    assert_string_equal(f->store.last, "hello");
    assert_int_equal(submission_reply_read(c->answers.data, c->answers.size, &reply), 0);
    assert_int_equal(strlen(reply->id), 36);
    assert_int_equal(intake_counts(f->intake).connections, 1);
    assert_int_equal(intake_counts(f->intake).buffered_bytes, 0);
    shutdown(c->fd, SHUT_WR);
    wait_for_end(f, c);
    assert_int_equal(intake_counts(f->intake).connections, 0);
}

static void lines_are_answered_in_order_and_share_a_commit(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *a = new_client(f), *b = new_client(f);

    send_text(f, a, "{\"body\":\"a\"}\n{}\n\n{\"body\":\"b\"}\r\n{\"body\":\"c");
    send_text(f, b, "{\"body\":\"d\"}\n");
    wait_for_lines(f, a, 4);
    wait_for_lines(f, b, 1);
    assert_int_equal(f->store.n_commits, 1);
    assert_int_equal(f->store.n_committed, 3);
    assert_true(is_ok(answer(a, 0)));
    assert_answer(a, 1, "{\"ok\": false, \"error\": \"body: missing\"}\n");
    assert_answer(a, 2, "{\"ok\": false, \"error\": \"line: empty\"}\n");
    assert_true(is_ok(answer(a, 3)));
    assert_true(is_ok(answer(b, 0)));
    send_text(f, a, "\"}\n");
    wait_for_lines(f, a, 5);
    assert_true(is_ok(answer(a, 4)));
    assert_string_equal(f->store.last, "c");
}

static void assert_is_refused(const char *line, const struct bad_line *bad)
{
    CLEANUP(submission_reply_free) struct submission_reply *reply = NULL;

    assert_int_equal(submission_reply_read(line, strcspn(line, "\n"), &reply), 0);
    if (reply->is_ok || reply->is_temporary)
        fail_msg("%s: not refused for good", bad->line);
    if (!streq(bad->error, reply->error))
        fail_msg("%s:\n  %s, and not\n  %s", bad->line, reply->error, bad->error);
}

static void bad_line_is_answered_with_its_error(void **state)
{
    static const struct submission_rules *const rules[] = {&fifo, &fifo_without_group, &standard};
    size_t n_sent = 0;

    for (size_t k = 0; k < ARRAY_SIZE(rules); k++) {
        CLEANUP(fixture_free) struct fixture *f = set_up_with(*rules[k], 0, 0);
        struct client *c = new_client(f);
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(bad_lines); i++) {
            const struct bad_line *bad = &bad_lines[i];

            if (bad->rules != rules[k])
                continue;
            send_bytes(f, c, bad->line, bad_line_size(bad));
            send_text(f, c, "\n");
            wait_for_lines(f, c, ++n);
            assert_is_refused(answer(c, n - 1), bad);
        }
        n_sent += n;
        assert_int_equal(f->store.n_added, 0);
    }
    assert_int_equal(n_sent, ARRAY_SIZE(bad_lines));
}

static void failed_commit_answers_all_its_messages_with_an_error(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *a = new_client(f), *b = new_client(f);
    static const char expected[] =
        "{\"ok\": false, \"error\": \"cannot store now: No space left on "
        "device; try again later\", \"temporary\": true}\n";

    f->store.commit_result = -ENOSPC;
    send_text(f, a, "{\"body\":\"a\"}\n{}\n{\"body\":\"b\"}\n");
    send_text(f, b, "{\"body\":\"c\"}\n");
    wait_for_lines(f, a, 3);
    wait_for_lines(f, b, 1);
    assert_int_equal(f->store.n_committed, 0);
    assert_answer(a, 0, expected);
    assert_answer(a, 1, "{\"ok\": false, \"error\": \"body: missing\"}\n");
    assert_answer(a, 2, expected);
    assert_answer(b, 0, expected);

    f->store.commit_result = 0;
    send_text(f, a, "{\"body\":\"a\"}\n");
    wait_for_lines(f, a, 4);
    assert_true(is_ok(answer(a, 3)));
    assert_int_equal(f->store.n_committed, 1);
}

static void full_store_is_answered_with_a_temporary_error(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    f->store.n_full_after = 1;
    send_text(f, c, "{\"body\":\"a\"}\n{\"body\":\"b\"}\n");
    wait_for_lines(f, c, 2);
    assert_true(is_ok(answer(c, 0)));
    assert_answer(c, 1, "{\"ok\": false, \"error\": \"the spool is full\", \"temporary\": true}\n");
    f->store.add_result = -EIO;
    send_text(f, c, "{\"body\":\"c\"}\n");
    wait_for_lines(f, c, 3);
    assert_answer(c, 2,
                  "{\"ok\": false, \"error\": \"cannot store now: Input/output error; try "
                  "again later\", \"temporary\": true}\n");
}

static void half_line_at_end_of_input_is_an_error(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    send_text(f, c, "{\"body\":\"a\"}\n{\"body\":\"b\"}");
    shutdown(c->fd, SHUT_WR);
    wait_for_end(f, c);
    assert_int_equal(count_lines(c), 2);
    assert_true(is_ok(answer(c, 0)));
    assert_answer(c, 1,
                  "{\"ok\": false, \"error\": \"line: cut off, there is no newline at its "
                  "end\"}\n");
    assert_int_equal(f->store.n_committed, 1);
}

static void lines_of_a_closed_connection_are_stored(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    for (int i = 0; i < 500; i++)
        send_text(f, c, "{\"body\":\"a\"}\n");
    close(c->fd);
    c->fd = -1;
    run_until(f->event, &f->store.n_committed, 1);
    for (int i = 0; i < 100 && intake_counts(f->intake).connections > 0; i++)
        run_once(f);
    assert_int_equal(intake_counts(f->intake).connections, 0);
    assert_true(f->store.n_committed >= 100);
}

static void stop_answers_lines_read_and_reads_no_more(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *many = new_client(f), *half = new_client(f), *quiet = new_client(f);
    unsigned n;

    send_text(f, half, "{\"body\":\"h");
    while (intake_counts(f->intake).connections < 3)
        run_once(f);
    run_once(f);
    for (int i = 0; i < 1000; i++)
        send_text(f, many, "{\"body\":\"m\"}\n");
    run_until(f->event, &f->store.n_committed, 1);
    n = f->store.n_committed;
    assert_true(n < 1000);
    send_text(f, quiet, "{\"body\":\"q\"}\n"); /* this is not read any more */

    stop(f);
    assert_int_equal(intake_counts(f->intake).connections, 0);
    wait_for_end(f, many);
    wait_for_end(f, half);
    wait_for_end(f, quiet);
    assert_true(f->store.n_committed > n);
    assert_int_equal(count_lines(many), f->store.n_committed);
    for (size_t i = 0; i < count_lines(many); i++)
        assert_true(is_ok(answer(many, i)));
    assert_int_equal(count_lines(half), 1);
    assert_answer(half, 0,
                  "{\"ok\": false, \"error\": \"line: cut off, because the daemon stops; try again "
                  "later\", \"temporary\": true}\n");
    assert_int_equal(count_lines(quiet), 0);
    intake_stop(f->intake);
    run_once(f);
    assert_int_equal(f->n_stopped, 1);
}

static void stop_does_not_wait_for_unread_replies(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *deaf = new_client(f);
    unsigned n_stored;

    for (int n_full = 0; n_full < 5;)
        if (send_some(deaf, "{\"body\":\"x\"}\n", 13) == 0) {
            run_once(f);
            n_full++;
        } else {
            n_full = 0;
        }
    n_stored = f->store.n_committed;
    stop(f);
    assert_int_equal(f->store.n_committed, n_stored);
    assert_int_equal(intake_counts(f->intake).connections, 1);
    /* The client still gets the replies that were made, and no others. */
    wait_for_end(f, deaf);
    assert_int_equal(count_lines(deaf), f->store.n_committed);
    assert_true(f->store.n_committed >= n_stored);
}

/* Counts its calls; its pipe is always readable, so it is called in every iteration. */
static int on_other(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    unsigned *n = userdata;

    ++*n;
    return 0;
}

static void endless_senders_leave_the_event_loop_to_others(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    sd_event_source *other = NULL;
    unsigned n_other = 0, n_rounds = 200;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_true(sd_event_add_io(f->event, &other, fds[0], EPOLLIN, on_other, &n_other) >= 0);
    for (size_t i = 0; i < 3; i++)
        new_client(f);
    /* Before each dispatch there are more lines than it answers. */
    for (unsigned k = 0; k < n_rounds; k++) {
        for (size_t i = 0; i < 3; i++) {
            while (send_some(&f->clients[i], "{\"body\":\"x\"}\n", 13) == 13)
                ;
            receive(&f->clients[i]);
        }
        run_once(f);
    }
    assert_true(f->store.n_committed > n_rounds);
    assert_true(n_other >= n_rounds / 4);
    sd_event_source_unref(other);
    close(fds[0]);
    close(fds[1]);
}

static void message_size_limit_follows_the_queue(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    intake_set_message_max(f->intake, 3);
    send_text(f, c, "{\"body\":\"abc\"}\n{\"body\":\"abcd\"}\n");
    wait_for_lines(f, c, 2);
    assert_true(is_ok(answer(c, 0)));
    assert_answer(c, 1,
                  "{\"ok\": false, \"error\": \"message: 4 bytes with its attributes, the "
                  "queue takes at most 3\"}\n");
}

static void message_over_queue_size_waits_for_a_refresh(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f), *other = new_client(f);

    intake_set_message_max(f->intake, 3);
    f->is_size_asked = true;
    send_text(f, c, "{\"body\":\"abc\"}\n{\"body\":\"abcd\"}\n{\"body\":\"x\"}\n");
    wait_for_lines(f, c, 1);
    /* It is asked once, and others are served meanwhile. */
    send_text(f, other, "{\"body\":\"y\"}\n");
    wait_for_lines(f, other, 1);
    assert_int_equal(f->n_size_asked, 1);
    f->is_size_asked = false;
    intake_set_message_max(f->intake, 4);
    wait_for_lines(f, c, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(is_ok(answer(c, i)));
    /* What no queue takes is not asked about; nor is what was asked about just now. */
    send_text(f, c, "{\"body\":\"abcde\"}\n{\"body\":\"z\"}\n");
    wait_for_lines(f, c, 5);
    assert_int_equal(f->n_size_asked, 2);
    assert_false(is_ok(answer(c, 3)));
    assert_true(is_ok(answer(c, 4)));
}

static void stop_answers_message_waiting_for_queue_size(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    intake_set_message_max(f->intake, 3);
    f->is_size_asked = true;
    send_text(f, c, "{\"body\":\"abcd\"}\n");
    run_until(f->event, &f->n_size_asked, 1);
    stop(f);
    wait_for_lines(f, c, 1);
    assert_answer(c, 0, "{\"ok\": false, \"error\": \"message: 4 bytes with its attributes, the ");
    assert_non_null(strstr(answer(c, 0), "try again later\", \"temporary\": true}\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_is_stored_before_it_is_answered),
        cmocka_unit_test(lines_are_answered_in_order_and_share_a_commit),
        cmocka_unit_test(bad_line_is_answered_with_its_error),
        cmocka_unit_test(failed_commit_answers_all_its_messages_with_an_error),
        cmocka_unit_test(full_store_is_answered_with_a_temporary_error),
        cmocka_unit_test(half_line_at_end_of_input_is_an_error),
        cmocka_unit_test(lines_of_a_closed_connection_are_stored),
        cmocka_unit_test(stop_answers_lines_read_and_reads_no_more),
        cmocka_unit_test(endless_senders_leave_the_event_loop_to_others),
        cmocka_unit_test(stop_does_not_wait_for_unread_replies),
        cmocka_unit_test(message_size_limit_follows_the_queue),
        cmocka_unit_test(message_over_queue_size_waits_for_a_refresh),
        cmocka_unit_test(stop_answers_message_waiting_for_queue_size),
    };

    return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
