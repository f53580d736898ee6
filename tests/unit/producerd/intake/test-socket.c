/* SPDX-License-Identifier: MIT */
#include "producerd/intake/socket.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64], path[96], own_path[96]; /* where none should be made */

static int set_up(void **state)
{
    strcpy(folder, "/tmp/test-submit-socket.XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/socket", folder);
    snprintf(own_path, sizeof(own_path), "%s/own", folder);
    return 0;
}

static int tear_down(void **state)
{
    unlink(path);
    unlink(own_path);
    return rmdir(folder);
}

static int connect_to(const char *to)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(address.sun_path, to);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static int open_own(void)
{
    bool is_ours = false;
    int fd = -1;

    assert_int_equal(submit_socket_open(path, NULL, &fd, &is_ours, NULL), 0);
    assert_true(is_ours);
    return fd;
}

static void assert_refused(const char *at, const char *words)
{
    CLEANUP(free) char *error = NULL;
    bool is_ours;
    int fd;

    assert_int_equal(submit_socket_open(at, NULL, &fd, &is_ours, &error), SUBMIT_SOCKET_E_UNUSABLE);
    if (!strstr(error, words))
        fail_msg("\"%s\" is not in: %s", words, error);
}

static void own_socket_is_for_owner_and_group(void **state)
{
    mode_t before = umask(0);
    int fd = open_own(), other = connect_to(path);
    struct stat st;

    assert_int_equal(umask(before), 0); /* as it was */
    assert_true(other >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode, S_IFSOCK | 0660);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    close(other);
    close(fd);
    submit_socket_remove(path);
    assert_int_equal(access(path, F_OK), -1);
}

static void stale_socket_is_replaced(void **state)
{
    int fd = open_own(), other;

    close(fd);
    assert_int_equal(access(path, F_OK), 0);
    fd = open_own();
    other = connect_to(path);
    assert_true(other >= 0);
    close(other);
    close(fd);
}

static void served_socket_is_not_replaced(void **state)
{
    int fd = open_own(), other;

    assert_refused(path, "another process listens at");
    other = connect_to(path);
    assert_true(other >= 0);
    close(other);
    close(fd);
}

static void other_file_is_not_replaced(void **state)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0600);

    close(fd);
    assert_refused(path, "is not a socket");
    assert_int_equal(access(path, F_OK), 0);
    assert_refused("/nonexistent/socket", "its folder must exist");
}

/* In a child: there 3 and on are what "systemd" hands over. Returns its exit status. */
static int with_given(int type, int n, void (*test)(void))
{
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char number[16];

        strcpy(address.sun_path, path);
        for (int i = 0; i < n; i++) {
            int fd = socket(AF_UNIX, type, 0);

            unlink(path);
            if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
                (type == SOCK_STREAM && listen(fd, 1) < 0) || dup2(fd, 3 + i) < 0)
                _exit(1);
            if (fd != 3 + i)
                close(fd);
        }
        snprintf(number, sizeof(number), "%d", getpid());
        setenv("LISTEN_PID", number, 1);
        snprintf(number, sizeof(number), "%d", n);
        setenv("LISTEN_FDS", number, 1);
        if (!submit_socket_is_given())
            _exit(2);
        test();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void takes_it(void)
{
    bool is_ours = true;
    int fd = -1;

    if (submit_socket_open(own_path, NULL, &fd, &is_ours, NULL) != 0 || fd != 3 || is_ours ||
        !(fcntl(fd, F_GETFL) & O_NONBLOCK) || fcntl(fd, F_GETFD) != FD_CLOEXEC ||
        connect_to(path) < 0)
        _exit(3);
    if (submit_socket_is_given()) /* children shall not think that it is theirs */
        _exit(4);
}

static void refuses_it(void)
{
    CLEANUP(free) char *error = NULL;
    bool is_ours;
    int fd;

    if (submit_socket_open(own_path, NULL, &fd, &is_ours, &error) != SUBMIT_SOCKET_E_UNUSABLE ||
        !strstr(error, "ListenStream="))
        _exit(3);
}

static void of_an_instance(void)
{
    CLEANUP(free) char *error = NULL;
    bool is_ours = true;
    int fd = -1;

    if (submit_socket_open(path, "orders", &fd, &is_ours, &error) != 0 || fd != 3)
        _exit(3);
}

static void at_another_path_than_the_instance_has(void)
{
    CLEANUP(free) char *error = NULL;
    bool is_ours;
    int fd;

    if (submit_socket_open(own_path, "orders", &fd, &is_ours, &error) != SUBMIT_SOCKET_E_UNUSABLE ||
        !strstr(error, "producer.submit_socket: found \"") || !strstr(error, own_path) ||
        !strstr(error, path) || !strstr(error, "sqs-producerd@orders.socket"))
        _exit(3);
}

static void socket_of_an_instance_has_its_path(void **state)
{
    assert_int_equal(with_given(SOCK_STREAM, 1, of_an_instance), 0);
    assert_int_equal(with_given(SOCK_STREAM, 1, at_another_path_than_the_instance_has), 0);
}

static void errors_name_the_unit_of_the_instance(void **state)
{
    CLEANUP(free) char *error = NULL;
    bool is_ours;
    int fd;

    assert_int_equal(submit_socket_open("/nonexistent/socket", "orders", &fd, &is_ours, &error),
                     SUBMIT_SOCKET_E_UNUSABLE);
    assert_non_null(strstr(error, "start sqs-producerd@orders.socket, which makes it"));
}

static void systemd_socket_is_used(void **state)
{
    assert_false(submit_socket_is_given());
    assert_int_equal(with_given(SOCK_STREAM, 1, takes_it), 0);
    assert_int_equal(with_given(SOCK_STREAM, 2, refuses_it), 0);
    assert_int_equal(with_given(SOCK_DGRAM, 1, refuses_it), 0);
}

static void bad_listen_fds_names_the_variable(void **state)
{
    static const char *const bad[][2] = {{"x", "1"}, {"", "none"}, {"", "-1"}};
    char own[16];

    snprintf(own, sizeof(own), "%d", getpid());
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEANUP(free) char *error = NULL;
        bool is_ours;
        int fd;

        setenv("LISTEN_PID", bad[i][0][0] ? bad[i][0] : own, 1);
        setenv("LISTEN_FDS", bad[i][1], 1);
        assert_int_equal(submit_socket_open(own_path, NULL, &fd, &is_ours, &error),
                         SUBMIT_SOCKET_E_UNUSABLE);
        assert_non_null(strstr(error, "LISTEN_FDS or LISTEN_PID"));
        unsetenv("LISTEN_PID");
        unsetenv("LISTEN_FDS");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(own_socket_is_for_owner_and_group),
        TEST(stale_socket_is_replaced),
        TEST(served_socket_is_not_replaced),
        TEST(other_file_is_not_replaced),
        TEST(socket_of_an_instance_has_its_path),
        TEST(errors_name_the_unit_of_the_instance),
        TEST(systemd_socket_is_used),
        TEST(bad_listen_fds_names_the_variable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
