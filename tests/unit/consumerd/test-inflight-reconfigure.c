/* SPDX-License-Identifier: MIT */
/* Messages in flight while the settings change. */
#include "inflight-fixture.h"

static void reconfigure(unsigned concurrency, uint64_t linger_usec, uint64_t retry_delay_usec)
{
    inflight_reconfigure(inflight, &(struct inflight_options){
                                       .concurrency = concurrency,
                                       .delete_linger_usec = linger_usec,
                                       .retry_delay_usec = retry_delay_usec,
                                       .retry_delay_max_usec = 100 * SEC,
                                   });
    dispatch();
}

static void fewer_slots_than_messages_begun_none_is_disturbed(void **state)
{
    set_up(true, 5, "abcdefg");
    dispatch();
    assert_string_equal(begun(), "01234");
    reconfigure(2, 0, 0);
    for (size_t i = 0; i < 5; i++)
        assert_true(runs[i].is_running && !runs[i].is_cancelled);
    for (size_t i = 0; i < 3; i++) {
        finish(i, HANDLER_DONE, 0);
        dispatch();
        answer_open();
        dispatch();
        assert_string_equal(begun(), "01234");
    }
    finish(3, HANDLER_DONE, 0);
    dispatch();
    answer_open();
    dispatch();
    assert_string_equal(begun(), "012345");
    reconfigure(10, 0, 0);
    assert_string_equal(begun(), "0123456");
}

static void other_linger_holds_for_the_next_delete(void **state)
{
    set_up_with_linger(false, 5, 2 * SEC, "--");
    dispatch();
    finish(0, HANDLER_DONE, 0);
    dispatch();
    assert_int_equal(fake_n_open(), 0);
    reconfigure(5, 0, 0);
    assert_int_equal(fake_n_open(), 0); /* that one waits as it began to */
    finish(1, HANDLER_DONE, 0);
    dispatch();
    assert_int_equal(fake_n_open(), 1);
    assert_non_null(strstr(answer_open(), "Entries")); /* the first one goes with it */
    assert_int_equal(inflight_status(inflight).messages, 0);
}

static void other_delay_holds_for_the_next_failure(void **state)
{
    set_up(false, 5, "-");
    dispatch();
    reconfigure(5, 0, 7 * SEC);
    finish(0, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_non_null(strstr(answer_open(), "\"VisibilityTimeout\":7"));
}

/* Somebody who has mended what handles the messages need not wait. */
static void handler_that_is_away_is_tried_at_once(void **state)
{
    set_up(false, 5, "-");
    is_unreached = true;
    dispatch();
    finish(0, HANDLER_NOT_REACHED, HANDLER_DELAY_DEFAULT);
    dispatch();
    assert_true(inflight_status(inflight).is_paused);
    assert_string_equal(begun(), "0");
    reconfigure(5, 0, 0);
    assert_string_equal(begun(), "00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(fewer_slots_than_messages_begun_none_is_disturbed, tear_down),
        cmocka_unit_test_teardown(other_linger_holds_for_the_next_delete, tear_down),
        cmocka_unit_test_teardown(other_delay_holds_for_the_next_failure, tear_down),
        cmocka_unit_test_teardown(handler_that_is_away_is_tried_at_once, tear_down),
    };

    return cmocka_run_group_tests_name("consumerd-inflight-reconfigure", tests, NULL, NULL);
}
