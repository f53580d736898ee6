/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/fault-point.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/macro.h"

/* Passes "a" and "a-b" by turns, five times each, in a process of its own. Returns how many
 * passings of both it outlived, and whether it was killed. */
static int passings(const char *wanted, bool *ret_killed)
{
    int pipe_fds[2], status, n = 0;
    pid_t pid;
    char byte;

    assert_int_equal(pipe(pipe_fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (wanted)
            setenv("SQS_FAULT_POINT", wanted, 1);
        else
            unsetenv("SQS_FAULT_POINT");
        for (int i = 0; i < 5; i++) {
            fault_point("a");
            if (write(pipe_fds[1], "", 1) != 1)
                _exit(1);
            fault_point("a-b");
            if (write(pipe_fds[1], "", 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    close(pipe_fds[1]);
    while (read(pipe_fds[0], &byte, 1) == 1)
        n++;
    close(pipe_fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *ret_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    return n;
}

static void fault_point_named_kills_at_its_time(void **state)
{
    static const struct {
        const char *wanted;
        int outlived;
    } cases[] = {
        {"a", 0}, {"a:1", 0}, {"a:3", 4}, {"a:5", 8}, {"a-b", 1}, {"a-b:1", 1}, {"a-b:5", 9},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool killed;

        assert_int_equal(passings(cases[i].wanted, &killed), cases[i].outlived);
        assert_true(killed);
    }
}

static void fault_point_other_or_invalid_kills_nothing(void **state)
{
    static const char *const cases[] = {NULL, "", "a:6", "a:0", "b:1", "a:", "a:x", "ab:1", ":1"};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool killed;

        assert_int_equal(passings(cases[i], &killed), 10);
        assert_false(killed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_point_named_kills_at_its_time),
        cmocka_unit_test(fault_point_other_or_invalid_kills_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
