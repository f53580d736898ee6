/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];

static int make_path(void **state)
{
    int fd;

    strcpy(path, "/tmp/test-file.XXXXXX");
    fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    return unlink(path);
}

static void write_bytes(size_t size)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    for (size_t i = 0; i < size; i++)
        fputc('a' + (int)(i % 26), f);
    assert_int_equal(fclose(f), 0);
}

static void file_read_appends_every_byte(void **state)
{
    static const size_t sizes[] = {0, 1, 16383, 16384, 16385, 100000};

    for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
        CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(1 << 20);

        write_bytes(sizes[k]);
        assert_int_equal(buffer_append_string(&b, "before"), 0);
        assert_int_equal(file_read(path, 1 << 19, &b), 0);
        assert_int_equal(b.size, 6 + sizes[k]);
        assert_int_equal(b.data[b.size], '\0');
        for (size_t i = 0; i < sizes[k]; i++)
            assert_int_equal(b.data[6 + i], 'a' + i % 26);
    }
}

static void file_read_beyond_either_cap_is_refused(void **state)
{
    static const size_t sizes[] = {10, 16384, 40000};

    for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
        size_t size = sizes[k];
        CLEANUP(buffer_done) struct buffer roomy = BUFFER_INIT(1 << 20);
        CLEANUP(buffer_done) struct buffer exact = BUFFER_INIT(size + 2);
        CLEANUP(buffer_done) struct buffer tight = BUFFER_INIT(size + 1);

        write_bytes(size);
        assert_int_equal(file_read(path, size, &roomy), 0);
        buffer_reset(&roomy);
        assert_int_equal(file_read(path, size - 1, &roomy), -E2BIG);
        assert_int_equal(roomy.size, 0);
        for (size_t i = 0; i < roomy.allocated; i++) /* it may have been a secret */
            assert_int_equal(roomy.data[i], 0);
        assert_int_equal(file_read(path, size, &roomy), 0);

        assert_int_equal(buffer_append_string(&exact, "12"), 0);
        assert_int_equal(file_read(path, SIZE_MAX, &exact), 0);
        assert_int_equal(buffer_append_string(&tight, "12"), 0);
        assert_int_equal(file_read(path, SIZE_MAX, &tight), -E2BIG);
        assert_string_equal(buffer_string(&tight), "12");
        assert_int_equal(tight.error, 0);
    }
}

static void file_read_folder_device_or_missing_file_is_refused(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(100);

    assert_int_equal(file_read("/nonexistent/file", 100, &b), -ENOENT);
    assert_int_equal(file_read("/tmp", 100, &b), -EISDIR);
    assert_int_equal(file_read("/dev/zero", 100, &b), -EINVAL);
    assert_int_equal(b.error, 0);
    assert_int_equal(file_read("/dev/null", 100, &b), 0);
    assert_int_equal(b.size, 0);
}

/* Whether somebody writes to it or not: a daemon must not wait for it, nor read what has no end. */
static void fifo_or_socket_is_refused_at_once(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(100);
    char fd_path[32], fifo[80];
    int fds[2], writer;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(write(fds[1], "from a pipe", 11), 11);
    snprintf(fd_path, sizeof(fd_path), "/dev/fd/%d", fds[0]);
    assert_int_equal(file_read(fd_path, 100, &b), -EINVAL);
    close(fds[0]);
    close(fds[1]);

    snprintf(fifo, sizeof(fifo), "%s.fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(file_read(fifo, 100, &b), -EINVAL);
    writer = open(fifo, O_RDWR | O_CLOEXEC);
    assert_true(writer >= 0);
    assert_int_equal(write(writer, "x", 1), 1);
    assert_int_equal(file_read(fifo, 100, &b), -EINVAL);
    assert_int_equal(b.size, 0);
    close(writer);
    assert_int_equal(unlink(fifo), 0);
    assert_non_null(strstr(file_error_text(-EINVAL), "FIFO"));
}

/* By its size alone: nothing of it is read. */
static void file_that_is_too_large_is_refused_at_once(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(1 << 20);

    assert_int_equal(truncate(path, INT64_C(1) << 40), 0);
    assert_int_equal(file_read(path, 1 << 19, &b), -E2BIG);
    assert_int_equal(b.size, 0);
    assert_int_equal(b.allocated, 0);
    assert_int_equal(file_read("/proc/self/status", 1 << 19, &b), 0);
    assert_true(b.size > 0);
}

static void file_in_memory_has_the_bytes_and_cannot_be_changed(void **state)
{
    static const size_t sizes[] = {0, 1, 100000, 1 << 20};

    for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
        char *bytes = malloc(sizes[k] + 1), *read_bytes = malloc(sizes[k] + 1);
        int fd = -1;

        for (size_t i = 0; i < sizes[k]; i++)
            bytes[i] = (char)(i % 251);
        assert_int_equal(file_in_memory("test", bytes, sizes[k], &fd), 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(read(fd, read_bytes, sizes[k] + 1), sizes[k]);
        assert_memory_equal(bytes, read_bytes, sizes[k]);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        assert_int_equal(write(fd, "x", 1), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(ftruncate(fd, (off_t)sizes[k] + 1), -1);
        close(fd);
        free(bytes);
        free(read_bytes);
    }
}

static void standard_descriptor_that_is_closed_is_opened_read_only(void **state)
{
    int saved[3], next;

    for (int fd = 0; fd < 3; fd++)
        saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    file_open_standard_descriptors();
    next = open("/dev/null", O_RDONLY);
    close(next);
    for (int fd = 0; fd < 3; fd++) {
        char byte;
        bool is_empty = read(fd, &byte, 1) == 0;
        bool is_refused = write(fd, "x", 1) < 0 && errno == EBADF;

        dup2(saved[fd], fd);
        close(saved[fd]);
        assert_true(is_empty);
        assert_true(is_refused);
    }
    assert_true(next > 2);
    file_open_standard_descriptors(); /* all are open: nothing changes */
    assert_int_equal(open("/dev/null", O_RDONLY), next);
    close(next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_descriptor_that_is_closed_is_opened_read_only),
        cmocka_unit_test(file_read_appends_every_byte),
        cmocka_unit_test(file_read_beyond_either_cap_is_refused),
        cmocka_unit_test(file_read_folder_device_or_missing_file_is_refused),
        cmocka_unit_test(fifo_or_socket_is_refused_at_once),
        cmocka_unit_test(file_that_is_too_large_is_refused_at_once),
        cmocka_unit_test(file_in_memory_has_the_bytes_and_cannot_be_changed),
    };

    return cmocka_run_group_tests_name("file", tests, make_path, remove_path);
}
