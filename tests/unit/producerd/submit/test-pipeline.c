/* SPDX-License-Identifier: MIT */
#include "producerd/submit/pipeline.h"
#include "test.h"

#include <sys/socket.h>

enum { LINE_BYTES = 100 * 1000, PERIOD = 251 };

/* The bytes from the n-th on: 0, 1, ... 250, 0, 1... */
static const unsigned char *bytes_from(uint64_t n)
{
    static unsigned char bytes[PERIOD + LINE_BYTES];

    if (bytes[1] == 0)
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = i % PERIOD;
    return bytes + n % PERIOD;
}

/* Reads what has come, at most LINE_BYTES. */
static void read_next(int fd, uint64_t *n_read)
{
    static unsigned char bytes[LINE_BYTES];
    ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n < 0)
        return;
    assert_memory_equal(bytes, bytes_from(*n_read), (size_t)n);
    *n_read += (uint64_t)n;
}

static void append_line(struct pipeline *p, uint64_t *n_appended)
{
    assert_int_equal(buffer_append(&p->out, bytes_from(*n_appended), LINE_BYTES), 0);
    *n_appended += LINE_BYTES;
}

/* Something is left unsent all the time, and in all it is much more than the buffer holds. */
static void reader_that_is_slow_gets_all_bytes_with_bounded_memory(void **state)
{
    struct pipeline p = PIPELINE_INIT;
    uint64_t n_appended = 0, n_read = 0;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    p.fd = fds[0];
    while (n_appended < 3ULL * PIPELINE_OUT_MAX_BYTES) {
        while (pipeline_unsent_bytes(&p) < 1024 * 1024)
            append_line(&p, &n_appended);
        read_next(fds[1], &n_read);
        pipeline_flush(&p);
        assert_true(pipeline_unsent_bytes(&p) > 0);
        assert_true(p.out.size < 3 * 1024 * 1024);
    }
    while (n_read < n_appended) {
        read_next(fds[1], &n_read);
        pipeline_flush(&p);
    }
    assert_int_equal(pipeline_unsent_bytes(&p), 0);
    pipeline_close(&p);
    close(fds[1]);
}

static void answers_are_taken_whole_and_in_order(void **state)
{
    struct pipeline p = PIPELINE_INIT;
    const char *answer;
    size_t size;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    p.fd = fds[0];
    assert_int_equal(pipeline_read(&p), 0);
    assert_false(pipeline_next_answer(&p, &answer, &size));
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(send(fds[1], "first\nsec", 9, 0), 9);
        assert_int_equal(pipeline_read(&p), 0);
        assert_true(pipeline_next_answer(&p, &answer, &size));
        assert_int_equal(size, 5);
        assert_memory_equal(answer, "first", size);
        assert_false(pipeline_next_answer(&p, &answer, &size));
        assert_int_equal(send(fds[1], "ond\n", 4, 0), 4);
        assert_int_equal(pipeline_read(&p), 0);
        assert_true(pipeline_next_answer(&p, &answer, &size));
        assert_int_equal(size, 6);
        assert_memory_equal(answer, "second", size);
    }
    close(fds[1]);
    assert_int_equal(pipeline_read(&p), -EPIPE);
    pipeline_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_that_is_slow_gets_all_bytes_with_bounded_memory),
        cmocka_unit_test(answers_are_taken_whole_and_in_order),
    };

    return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
