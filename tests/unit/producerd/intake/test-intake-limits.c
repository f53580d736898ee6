/* SPDX-License-Identifier: MIT */
#include "intake-fixture.h"

static void half_line_times_out(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(USEC_PER_SEC, 0);
    struct client *slow = new_client(f), *idle = new_client(f);

    send_text(f, slow, "{\"body\":");
    wait_for_end(f, slow);
    assert_answer(slow, 0, "{\"ok\": false, \"error\": \"line: not ended within 1 seconds\"}\n");
    send_text(f, idle, "{\"body\":\"x\"}\n");
    wait_for_lines(f, idle, 1);
    assert_true(is_ok(answer(idle, 0)));
}

static void half_line_does_not_time_out_while_the_machine_sleeps(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    send_text(f, c, "{\"body\":");
    while (intake_counts(f->intake).buffered_bytes == 0)
        run_once(f);
    boot_clock_offset_sec += 40;
    for (int i = 0; i < 5; i++)
        run_once(f);
    send_text(f, c, "\"x\"}\n");
    wait_for_lines(f, c, 1);
    assert_true(is_ok(answer(c, 0)));
    /* Otherwise the time passes second by second. */
    send_text(f, c, "{\"body\":");
    while (!c->has_ended) {
        boot_clock_offset_sec++;
        run_once(f);
        receive(c);
    }
    assert_answer(c, 1, "{\"ok\": false, \"error\": \"line: not ended within 30 seconds\"}\n");
}

static void line_without_end_is_refused(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f), *other = new_client(f);
    CLEANUP(free) char *bytes = malloc(65536);

    memset(bytes, 'x', 65536);
    stop_boot_clock();
    while (count_lines(c) == 0) {
        send(c->fd, bytes, 65536, MSG_NOSIGNAL | MSG_DONTWAIT);
        run_once(f);
        receive(c);
        f->store.peak_bytes = MAX(f->store.peak_bytes, intake_counts(f->intake).buffered_bytes);
    }
    assert_answer(c, 0, "{\"ok\": false, \"error\": \"line: longer than 6356992 bytes\"}\n");
    assert_true(f->store.peak_bytes <= INTAKE_BUFFERED_MAX_BYTES);
    wait_for_end(f, c);
    send_text(f, other, "{\"body\":\"x\"}\n");
    wait_for_lines(f, other, 1);
    assert_int_equal(intake_counts(f->intake).buffered_bytes, 0);
}

/* A line of the largest size: a message of 1 MiB, each byte escaped. The caller frees it. */
static char *largest_line(size_t *ret_bytes)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(8 * 1024 * 1024);

    buffer_append_string(&b, "{\"body\":\"");
    for (size_t i = 0; i < SQS_MESSAGE_MAX_BYTES; i++)
        buffer_append_string(&b, "\\u0041");
    buffer_append_string(&b, "\"}\n");
    *ret_bytes = b.size;
    return buffer_take(&b);
}

static void many_long_lines_get_through_in_bounded_memory(void **state)
{
    enum { N = 8 };
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *clients[N], *small;
    size_t size, sent[N] = {}, n_waited = 0;
    CLEANUP(free) char *line = largest_line(&size);
    bool is_continuing = true;

    stop_boot_clock();
    for (size_t i = 0; i < N; i++)
        clients[i] = new_client(f);
    small = new_client(f);
    while (is_continuing) {
        is_continuing = false;
        for (size_t i = 0; i < N; i++) {
            if (sent[i] < size)
                sent[i] += send_some(clients[i], line + sent[i], MIN(size - sent[i], 100000));
            is_continuing = is_continuing || sent[i] < size;
        }
        run_once(f);
        n_waited = MAX(n_waited, intake_counts(f->intake).waiting);
        f->store.peak_bytes = MAX(f->store.peak_bytes, intake_counts(f->intake).buffered_bytes);
        /* Short lines go by. */
        if (n_waited > 0 && small->answers.size == 0) {
            send_text(f, small, "{\"body\":\"x\"}\n");
            wait_for_lines(f, small, 1);
            assert_int_equal(f->store.n_committed, 1);
        }
    }
    assert_true(n_waited > 0);
    for (size_t i = 0; i < N; i++) {
        wait_for_lines(f, clients[i], 1);
        assert_true(is_ok(answer(clients[i], 0)));
    }
    assert_int_equal(f->store.n_committed, N + 1);
    assert_in_range(f->store.peak_bytes, size, INTAKE_BUFFERED_MAX_BYTES);
    assert_int_equal(intake_counts(f->intake).buffered_bytes, 0);
    assert_int_equal(intake_counts(f->intake).waiting, 0);
}

/* Sends all but the last byte of each line, until nothing moves any more. Returns how many
 * connections have ended. */
static size_t send_while_it_moves(struct fixture *f, const char *line, size_t size, size_t sent[])
{
    size_t n_ended = 0;

    for (int n_idle = 0; n_idle < 20; n_idle++) {
        run_once(f);
        n_ended = 0;
        for (size_t i = 0; i < f->n_clients; i++) {
            struct client *c = &f->clients[i];
            size_t n = 0;

            receive(c);
            n_ended += c->has_ended;
            if (!c->has_ended && sent[i] < size - 1)
                n = send_some(c, line + sent[i], MIN(size - 1 - sent[i], 100000));
            sent[i] += n;
            n_idle = n > 0 ? 0 : n_idle;
        }
    }
    return n_ended;
}

static void long_line_waiting_for_memory_does_not_time_out(void **state)
{
    enum { N = 3 };
    CLEANUP(fixture_free) struct fixture *f = set_up(USEC_PER_SEC, 0);
    size_t size, sent[N] = {};
    CLEANUP(free) char *line = largest_line(&size);

    /* Time passes only here: the owner of the large memory delays the others until it times out. */
    stop_boot_clock();
    for (size_t i = 0; i < N; i++)
        new_client(f);
    for (size_t n_ended = 0; n_ended < N; n_ended++) {
        assert_int_equal(send_while_it_moves(f, line, size, sent), n_ended);
        assert_int_equal(intake_counts(f->intake).waiting, N - 1 - n_ended);
        boot_clock_offset_sec += 2;
    }
    assert_int_equal(send_while_it_moves(f, line, size, sent), N);
    for (size_t i = 0; i < N; i++)
        assert_answer(&f->clients[i], 0,
                      "{\"ok\": false, \"error\": \"line: not ended within 1 seconds\"}\n");
    assert_int_equal(intake_counts(f->intake).buffered_bytes, 0);
}

static void connection_with_unread_replies_is_not_read(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *deaf = new_client(f), *other = new_client(f);
    unsigned n_sent = 0, n_before;
    static const char line[] = "{\"body\":\"x\"}\n";

    stop_boot_clock();
    /* Sends until the socket has been full for many dispatches. */
    for (int n_full = 0; n_full < 20;) {
        size_t n = send_some(deaf, line, strlen(line));

        assert_true(n == 0 || n == strlen(line));
        n_sent += n > 0;
        if (n == 0) {
            run_once(f);
            n_full++;
        } else {
            n_full = 0;
        }
    }
    n_before = f->store.n_committed;
    assert_true(n_before < n_sent);
    for (int i = 0; i < 20; i++)
        run_once(f);
    assert_int_equal(f->store.n_committed, n_before);
    send_text(f, other, line);
    wait_for_lines(f, other, 1);
    assert_int_equal(f->store.n_committed, n_before + 1);
    wait_for_lines(f, deaf, n_sent);
    assert_int_equal(f->store.n_committed, n_sent + 1);
}

static void unread_replies_time_out(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(USEC_PER_SEC, 0);
    struct client *deaf = new_client(f);
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    run_once(f);
    while (intake_counts(f->intake).connections > 0 || f->store.n_added == 0) {
        send(deaf->fd, "{\"body\":\"x\"}\n", 13, MSG_NOSIGNAL | MSG_DONTWAIT);
        run_once(f);
        assert_true(boot_clock_usec() < end);
    }
    assert_int_equal(intake_counts(f->intake).buffered_bytes, 0);
}

static void connection_with_many_lines_does_not_delay_others(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *many = new_client(f), *one = new_client(f);
    const char *last;
    size_t n = 0;

    while (n < 5000 && send_some(many, "{\"body\":\"m\"}\n", 13) > 0)
        n++;
    assert_true(n > 2 * INTAKE_CONNECTION_LINES_MAX);
    send_text(f, one, "{\"body\":\"1\"}\n");
    wait_for_lines(f, one, 1);
    last = strchr(f->store.order, '1');
    assert_non_null(last);
    assert_true(last - f->store.order <= INTAKE_CONNECTION_LINES_MAX);
    wait_for_lines(f, many, n);
}

static void long_half_lines_do_not_delay_short_lines(void **state)
{
    enum { N = 300 };
    CLEANUP(fixture_free) struct fixture *f = NULL;
    CLEANUP(free) char *part = malloc(200000);
    size_t sent[N] = {};
    struct client *small;

    if (!allow_files(1500))
        skip();
    f = set_up(0, 0);
    stop_boot_clock();
    memset(part, 'x', 200000);
    memcpy(part, "{\"body\":\"", 9);
    for (size_t i = 0; i < N; i++)
        new_client(f);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < N; i++)
            sent[i] += send_some(&f->clients[i], part + sent[i], 200000 - sent[i]);
        for (int i = 0; i < 5; i++)
            run_once(f);
        assert_true(intake_counts(f->intake).buffered_bytes <= INTAKE_BUFFERED_MAX_BYTES);
    }
    assert_true(intake_counts(f->intake).waiting > 0);
    small = new_client(f);
    for (size_t i = 1; i <= 100; i++) {
        send_text(f, small, "{\"body\":\"x\"}\n");
        wait_for_lines(f, small, i);
    }
    assert_int_equal(f->store.n_committed, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_line_times_out),
        cmocka_unit_test(half_line_does_not_time_out_while_the_machine_sleeps),
        cmocka_unit_test(line_without_end_is_refused),
        cmocka_unit_test(many_long_lines_get_through_in_bounded_memory),
        cmocka_unit_test(long_line_waiting_for_memory_does_not_time_out),
        cmocka_unit_test(connection_with_unread_replies_is_not_read),
        cmocka_unit_test(unread_replies_time_out),
        cmocka_unit_test(connection_with_many_lines_does_not_delay_others),
        cmocka_unit_test(long_half_lines_do_not_delay_short_lines),
    };

    return cmocka_run_group_tests_name("intake-limits", tests, NULL, NULL);
}
