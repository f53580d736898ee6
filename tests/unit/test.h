/* SPDX-License-Identifier: MIT */
/* Includes cmocka, with the headers that it needs before it, and bounds the time of each test: a
 * test that waits for ever fails under its name, and the others still run. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TEST_GROUP_MAX = 128 };

/* A test's bound in seconds. A slow processor, as an emulated one, gives more by this variable. */
static inline unsigned test_bound_sec(void)
{
    const char *text = getenv("TEST_BOUND_SEC");
    unsigned sec = text ? (unsigned)strtoul(text, NULL, 10) : 0;

    return sec > 0 ? sec : 60;
}

/* cmocka runs a group's tests in their order: the next to be set up, and what stands for it. */
static struct {
    const struct CMUnitTest *tests, *current;
    struct CMUnitTest bounded[TEST_GROUP_MAX];
    size_t n_begun;
} test_group;

/* cmocka leaves a test by a jump, within its own thread. Standard error may be a pipe of the test's
 * that nobody reads. */
static inline void test_end_late(int number)
{
    if (gettid() != getpid()) {
        tgkill(getpid(), getpid(), number);
        return;
    }
    printf("# The test has not ended within %u seconds: it waits for what does not come.\n",
           test_bound_sec());
    fflush(stdout);
    fail();
}

static inline int test_set_up_bounded(void **state)
{
    test_group.current = &test_group.tests[test_group.n_begun++];
    alarm(test_bound_sec());
    return test_group.current->setup_func ? test_group.current->setup_func(state) : 0;
}

static inline void test_run_bounded(void **state)
{
    test_group.current->test_func(state);
}

static inline int test_tear_down_bounded(void **state)
{
    int r = test_group.current->teardown_func ? test_group.current->teardown_func(state) : 0;

    alarm(0);
    return r;
}

static inline int test_run_group(const char *name, const struct CMUnitTest *tests, size_t n,
                                 CMFixtureFunction set_up, CMFixtureFunction tear_down)
{
    /* The jump leaves the signal blocked that is handled. */
    struct sigaction action = {.sa_handler = test_end_late, .sa_flags = SA_NODEFER};

    if (n > TEST_GROUP_MAX || sigaction(SIGALRM, &action, NULL) < 0)
        return -1;
    test_group.tests = tests;
    for (size_t i = 0; i < n; i++)
        test_group.bounded[i] = (struct CMUnitTest){
            .name = tests[i].name,
            .test_func = test_run_bounded,
            .setup_func = test_set_up_bounded,
            .teardown_func = test_tear_down_bounded,
            .initial_state = tests[i].initial_state,
        };
    return _cmocka_run_group_tests(name, test_group.bounded, n, set_up, tear_down);
}

#undef cmocka_run_group_tests
#undef cmocka_run_group_tests_name
#define cmocka_run_group_tests_name(name, tests, set_up, tear_down)                                \
    test_run_group(name, tests, sizeof(tests) / sizeof((tests)[0]), set_up, tear_down)
#define cmocka_run_group_tests(tests, set_up, tear_down)                                           \
    cmocka_run_group_tests_name(#tests, tests, set_up, tear_down)
