/* SPDX-License-Identifier: MIT */
/* Other settings for handler "exec" while programs run. */
#include "exec-fixture.h"

#include <stdio.h>
#include <unistd.h>

static char *next_command[4];

static int prepare(char **error, const char *program, const char *script)
{
    struct config next = config;

    next_command[0] = (char *)(uintptr_t)program;
    next_command[1] = (char *)(uintptr_t)(script ? "-c" : NULL);
    next_command[2] = (char *)(uintptr_t)script;
    next.consumer.command = next_command;
    return handler->ops->prepare(handler, &next, error);
}

static void programs_that_run_end_as_they_began(void **state)
{
    CLEANUP(free) char *error = NULL;
    struct outcome next = {};
    char script[256];

    snprintf(script, sizeof(script), "while [ ! -e %s/go ]; do sleep 0.01; done; echo old; exit 75",
             folder);
    make_script(script);
    start(&outcome);

    assert_int_equal(prepare(&error, "/bin/bash", "echo new"), 0);
    config.consumer.timeout_usec = 10 * USEC_PER_MSEC; /* the running one keeps its own */
    handler->ops->reconfigure(handler);
    assert_string_equal(handler->target, "/bin/bash");
    config.consumer.timeout_usec = TEST_PATIENCE_USEC;
    memset(next_command, 0, sizeof(next_command)); /* nothing is borrowed */
    start(&next);
    run_until(event, &next.n_done, 1);
    assert_int_equal(next.outcome, HANDLER_DONE);
    assert_logged("bash[");
    assert_logged("]: new");
    assert_int_equal(outcome.n_done, 0);

    snprintf(script, sizeof(script), "%s/go", folder);
    fclose(fopen(script, "w"));
    run_until(event, &outcome.n_done, 1);
    assert_int_equal(outcome.outcome, HANDLER_RETRY);
    assert_logged("]: old");
    assert_true(strncmp(logged("]: old")->text, "sh[", 3) == 0);
}

static void program_that_cannot_be_used_changes_nothing(void **state)
{
    CLEANUP(free) char *error = NULL, *none = NULL;

    make_script("exit 65");
    assert_int_equal(prepare(&error, "/nonexistent/program", NULL), HANDLER_E_CONFIG);
    assert_non_null(strstr(error, "consumer.command: \"/nonexistent/program\" "));
    assert_int_equal(prepare(&none, NULL, NULL), HANDLER_E_CONFIG);
    assert_non_null(strstr(none, "consumer.command: not set"));
    handler->ops->reconfigure(handler);
    start(&outcome);
    run_until(event, &outcome.n_done, 1);
    assert_int_equal(outcome.outcome, HANDLER_REJECT);
}

static void prepared_twice_the_last_counts(void **state)
{
    CLEANUP(free) char *error = NULL;

    make_script("exit 65");
    assert_int_equal(prepare(&error, "/bin/sh", "exit 65"), 0);
    assert_int_equal(prepare(&error, "/bin/sh", "exit 75"), 0);
    handler->ops->reconfigure(handler);
    start(&outcome);
    run_until(event, &outcome.n_done, 1);
    assert_int_equal(outcome.outcome, HANDLER_RETRY);
    assert_int_equal(prepare(&error, "/bin/sh", "exit 65"), 0); /* and is freed with it */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(programs_that_run_end_as_they_began),
        TEST(program_that_cannot_be_used_changes_nothing),
        TEST(prepared_twice_the_last_counts),
    };

    return cmocka_run_group_tests_name("consumerd-handler-exec-reconfigure", tests, NULL, NULL);
}
