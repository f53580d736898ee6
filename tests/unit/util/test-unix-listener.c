/* SPDX-License-Identifier: MIT */
#include "util/unix-listener.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char folder[] = "/tmp/test-listener-XXXXXX", path[128];

static int make_folder(void **state)
{
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/socket", folder);
    return 0;
}

static int remove_folder(void **state)
{
    unlink(path);
    return rmdir(folder);
}

static void socket_has_the_mode_that_is_asked_for(void **state)
{
    struct stat st;
    int fd = -1;

    assert_int_equal(unix_listener_open(path, 0666, &fd), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    /* Nobody listens there any more, so it is replaced. */
    assert_int_equal(unix_listener_open(path, 0600, &fd), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    close(fd);
}

static void socket_where_a_process_listens_is_left(void **state)
{
    int first = -1, second = -1;

    assert_int_equal(unix_listener_open(path, 0600, &first), 0);
    assert_int_equal(unix_listener_open(path, 0600, &second), UNIX_LISTENER_E_IN_USE);
    assert_int_equal(second, -1);
    close(first);
}

static void file_that_is_no_socket_is_left(void **state)
{
    int fd = -1, file;

    unlink(path);
    file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(unix_listener_open(path, 0600, &fd), UNIX_LISTENER_E_NOT_SOCKET);
    assert_int_equal(access(path, F_OK), 0);
}

static void folder_that_is_missing_is_told_by_errno(void **state)
{
    int fd = -1;

    assert_int_equal(unix_listener_open("/nonexistent/socket", 0600, &fd), UNIX_LISTENER_E_BIND);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(socket_has_the_mode_that_is_asked_for),
        cmocka_unit_test(socket_where_a_process_listens_is_left),
        cmocka_unit_test(file_that_is_no_socket_is_left),
        cmocka_unit_test(folder_that_is_missing_is_told_by_errno),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
