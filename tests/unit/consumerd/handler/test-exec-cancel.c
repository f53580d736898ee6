/* SPDX-License-Identifier: MIT */
/* Programs are cancelled or abandoned, and many run at once. */
#include "exec-fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void wait_for_line(const char *text)
{
    uint64_t patience = boot_clock_usec() + TEST_PATIENCE_USEC;

    while (!logged(text)) {
        assert_true(sd_event_run(event, 100 * USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() < patience);
    }
}

/* Runs a script until it prints "begun", and tells it to end within that time. */
static void handle_and_end(const char *script, uint64_t grace_usec)
{
    n_entries = 0;
    outcome = (struct outcome){};
    make_script(script);
    start(&outcome);
    wait_for_line(": begun");
    handler->ops->cancel(outcome.run, grace_usec);
    handler->ops->cancel(outcome.run, grace_usec);
    assert_int_equal(outcome.n_done, 0);
    assert_true(has_children());
    run_until(event, &outcome.n_done, 1);
}

/* Many end with 0 then, whatever they have left undone. */
static void program_cancelled_message_is_retried_whatever_its_exit_status(void **state)
{
    static const char *const ends[] = {"trap 'exit 0' TERM",  "trap 'exit 1' TERM",
                                       "trap 'exit 65' TERM", "trap 'exit 75' TERM",
                                       "trap - TERM",         "trap 'kill -KILL $$' TERM"};

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        char script[128];

        snprintf(script, sizeof(script), "%s; echo begun; while :; do sleep 0.01; done", ends[i]);
        handle_and_end(script, TEST_PATIENCE_USEC);
        assert_outcome(HANDLER_RETRY, GROWING);
        assert_logged("was cancelled and has ended: the message comes back");
    }
}

static void program_cancelled_in_vain_is_killed(void **state)
{
    handle_and_end("trap '' TERM; echo begun; while :; do sleep 100; done", 200 * USEC_PER_MSEC);
    assert_outcome(HANDLER_RETRY, GROWING);
    while (has_children())
        run_for(event, USEC_PER_MSEC);
    assert_int_equal(outcome.n_done, 1);
}

static void program_cancelled_may_tidy_up(void **state)
{
    handle_and_end("trap 'echo tidied; exit 0' TERM; echo begun; while :; do sleep 0.01; done",
                   TEST_PATIENCE_USEC);
    assert_logged(": tidied");
    assert_false(has_children());
}

/* Before the loop has seen it. */
static void program_that_exited_before_the_cancel_is_done(void **state)
{
    siginfo_t info = {};

    n_entries = 0;
    outcome = (struct outcome){};
    make_script("exit 0");
    start(&outcome);
    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    handler->ops->cancel(outcome.run, USEC_PER_SEC);
    run_until(event, &outcome.n_done, 1);
    assert_outcome(HANDLER_DONE, 0);
}

static void program_cancelled_is_answered_when_its_group_has_ended(void **state)
{
    handle_and_end("trap 'exit 0' TERM; (trap 'sleep 0.2; echo left tidied; exit' TERM; "
                   "echo begun; while :; do sleep 0.01; done) & wait",
                   TEST_PATIENCE_USEC);
    assert_outcome(HANDLER_RETRY, GROWING);
    assert_logged(": left tidied");
}

static void program_abandoned_may_tidy_up(void **state)
{
    make_script(
        "(trap 'echo left tidied; exit' TERM; echo left begun; while :; do sleep 0.01; done) & "
        "trap 'echo tidied; exit 1' TERM; echo begun; while :; do sleep 0.01; done");
    start(&outcome);
    wait_for_line(": begun");
    wait_for_line(": left begun");
    message = (struct sqs_received_message){};
    handler->ops->abandon(outcome.run);
    wait_for_line(": tidied");
    wait_for_line("which was cancelled, has ended");
    assert_logged(": left tidied");
    assert_int_equal(outcome.n_done, 0);
    assert_false(has_children());
}

static void programs_at_once_are_bounded_abandoned_ones_counted(void **state)
{
    struct outcome outcomes[3] = {};

    config.consumer.concurrency = 2;
    make_script("trap '' TERM; echo begun $$; while :; do sleep 1; done");
    for (unsigned i = 0; i < 2; i++) {
        start(&outcomes[i]);
        assert_int_equal(outcomes[i].n_done, 0);
        handler->ops->abandon(outcomes[i].run);
    }
    start(&outcomes[2]);
    assert_int_equal(outcomes[2].n_done, 1);
    assert_int_equal(outcomes[2].outcome, HANDLER_NOT_REACHED);
    assert_non_null(
        strstr(handler->ops->why_not_reached(handler), "Resource temporarily unavailable"));
}

/* As at the daemon's end: nothing is left when the handler is gone. */
static void handler_freed_no_program_is_left(void **state)
{
    struct outcome outcomes[2] = {};
    int fds[2];
    char script[256], byte;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    snprintf(script, sizeof(script),
             "exec 3>/proc/%d/fd/%d; trap ': >%s; exit' TERM; "
             "(trap '' TERM; echo begun; sleep 100) & while :; do sleep 0.01; done",
             (int)getpid(), fds[1], in_folder("tidied"));
    make_script(script);
    for (unsigned i = 0; i < 2; i++)
        start(&outcomes[i]);
    wait_for_line(": begun");
    while (n_entries < 2)
        run_for(event, USEC_PER_MSEC);
    assert_int_equal(sd_event_exit(event, 0), 0);
    assert_int_equal(sd_event_loop(event), 0);
    for (unsigned i = 0; i < 2; i++)
        handler->ops->abandon(outcomes[i].run);
    forget_handler();
    assert_int_equal(access(in_folder("tidied"), F_OK), 0);
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 0);
    close(fds[0]);
    assert_int_equal(outcomes[0].n_done + outcomes[1].n_done, 0);
}

static void many_at_once_each_have_their_answer(void **state)
{
    enum { MANY = 50 };
    struct outcome outcomes[MANY] = {};
    char ids[MANY][16];

    config.consumer.concurrency = MANY;
    make_script("sleep 0.0$(( $$ % 9 )); test \"$SQS_MESSAGE_ID\" = \"$(cat)\"");
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(ids[i], sizeof(ids[i]), "id-%u", i);
        message.message_id = message.body = ids[i];
        message.body_bytes = strlen(ids[i]);
        start(&outcomes[i]);
    }
    for (unsigned i = 0; i < MANY; i++) {
        run_until(event, &outcomes[i].n_done, 1);
        if (outcomes[i].outcome != HANDLER_DONE)
            print_log();
        assert_int_equal(outcomes[i].outcome, HANDLER_DONE);
    }
    assert_false(has_children());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(program_cancelled_message_is_retried_whatever_its_exit_status),
        TEST(program_cancelled_may_tidy_up),
        TEST(program_that_exited_before_the_cancel_is_done),
        TEST(program_cancelled_in_vain_is_killed),
        TEST(program_cancelled_is_answered_when_its_group_has_ended),
        TEST(program_abandoned_may_tidy_up),
        TEST(programs_at_once_are_bounded_abandoned_ones_counted),
        TEST(handler_freed_no_program_is_left),
        TEST(many_at_once_each_have_their_answer),
    };

    return cmocka_run_group_tests_name("exec-cancel", tests, NULL, NULL);
}
