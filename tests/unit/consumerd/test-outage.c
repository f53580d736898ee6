/* SPDX-License-Identifier: MIT */
#include "consumerd/outage.h"
#include "test.h"

#define SEC USEC_PER_SEC
#define T0 (1000 * SEC)

/* The random number that makes each back-off of so many seconds the longest. */
static uint64_t longest(uint64_t sec)
{
    return sec * SEC / 2;
}

static void outage_begins_when_a_message_does_not_get_through(void **state)
{
    struct outage o = {};
    struct outage_record m = {};

    assert_true(outage_may_begin(&o, 0));
    outage_message_begun(&o, &m, 0, 0);
    assert_true(outage_may_begin(&o, 0));
    assert_false(outage_answered(&o, &m));
    outage_mark_suspect(&o, &m);
    assert_false(outage_is_suspect(&m));
}

static void tries_are_ever_further_apart_up_to_a_bound(void **state)
{
    static const unsigned seconds[2][8] = {{1, 2, 4, 8, 10, 10, 10, 10},
                                           {1, 2, 4, 8, 16, 30, 30, 30}};

    for (unsigned is_gateway = 0; is_gateway < 2; is_gateway++) {
        struct outage o = {};
        uint64_t now = T0;

        for (size_t i = 0; i < ARRAY_SIZE(seconds[0]); i++) {
            unsigned sec = seconds[is_gateway][i];
            struct outage_record m = {};

            for (unsigned is_longest = 0; is_longest < 2; is_longest++) {
                uint64_t random = is_longest ? longest(sec) : 0;

                o.n_failures = (unsigned)i;
                outage_message_begun(&o, &m, now, 0);
                if (is_gateway)
                    assert_false(outage_unavailable(&o, &m, false, 0, now, random));
                else
                    outage_not_reached(&o, &m, 0, now, random);
                /* Half of it is random. */
                assert_int_equal(o.next_usec - now, sec * SEC / (is_longest ? 1 : 2));
                assert_false(outage_may_begin(&o, o.next_usec - 1));
                assert_true(outage_may_begin(&o, o.next_usec));
            }
            now = o.next_usec;
        }
        assert_int_equal(o.since_usec, T0);
    }
}

static void those_begun_before_it_are_no_tries(void **state)
{
    struct outage o = {};
    struct outage_record marks[10] = {};

    for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
        outage_message_begun(&o, &marks[i], T0, 0);
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
        outage_not_reached(&o, &marks[i], 0, T0 + i, 0);
    assert_int_equal(o.next_usec, T0 + SEC / 2);
    assert_int_equal(o.n_failures, 1);
    assert_false(outage_unavailable(&o, &marks[0], false, 5 * SEC, T0, 0));
    assert_int_equal(o.next_usec, T0 + 5 * SEC); /* but they may be told when */
}

static void answer_ends_an_outage_and_the_next_begins_anew(void **state)
{
    struct outage o = {};
    struct outage_record m = {};

    for (int i = 0; i < 10; i++) {
        outage_message_begun(&o, &m, T0 + i * SEC, 0);
        outage_not_reached(&o, &m, 0, T0 + i * SEC, 0);
    }
    outage_message_begun(&o, &m, T0 + 100 * SEC, 0);
    assert_true(outage_answered(&o, &m));
    assert_true(outage_may_begin(&o, 0));
    assert_false(outage_answered(&o, &m));
    outage_not_reached(&o, &m, 0, T0 + 200 * SEC, 0);
    assert_int_equal(o.since_usec, T0 + 200 * SEC);
    assert_int_equal(o.next_usec, T0 + 200 * SEC + SEC / 2);
}

static void outage_lets_one_message_be_tried_at_a_time(void **state)
{
    struct outage o = {};
    struct outage_record m = {};

    outage_not_reached(&o, &m, 0, T0, 0);
    assert_true(outage_may_begin(&o, T0 + SEC));
    outage_message_begun(&o, &m, T0 + SEC, 0);
    assert_false(outage_may_begin(&o, T0 + SEC));
    /* One that takes long does not hold up the next. */
    assert_true(outage_may_begin(&o, T0 + 2 * SEC));
}

static void gateway_may_put_off_the_next_try_within_bounds(void **state)
{
    static const struct {
        uint64_t asked_usec, wait_usec;
    } rows[] = {
        {0, SEC / 2},
        {SEC / 4, SEC / 2}, /* never sooner than the back-off */
        {7 * SEC, 7 * SEC},
        {43200 * SEC, OUTAGE_ASKED_MAX_USEC},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct outage o = {};
        struct outage_record m = {};

        outage_message_begun(&o, &m, T0, 0);
        assert_false(outage_unavailable(&o, &m, true, rows[i].asked_usec, T0, 0));
        assert_int_equal(o.next_usec - T0, rows[i].wait_usec);
    }
}

static void refuse(struct outage *o, struct outage_record *m, bool is_alone, bool is_charged)
{
    uint64_t now = MAX(o->next_usec, T0);

    outage_message_begun(o, m, now, 0);
    assert_int_equal(outage_unavailable(o, m, is_alone, 0, now, 0), is_charged);
}

static void message_refused_alone_is_charged_after_three_further_tries(void **state)
{
    struct outage o = {};
    struct outage_record m = {}, next = {};
    uint64_t now;

    for (int i = 0; i < 3; i++)
        refuse(&o, &m, true, false);
    now = o.next_usec;
    refuse(&o, &m, true, true);
    /* Another may be tried at once; but the back-off does not begin anew. */
    assert_true(outage_may_begin(&o, now));
    refuse(&o, &next, true, false);
    assert_int_equal(o.next_usec, now + 8 * SEC);
}

static void message_among_others_is_not_charged_while_nothing_gets_through(void **state)
{
    struct outage o = {};
    struct outage_record marks[10] = {};

    for (unsigned i = 0; o.next_usec < T0 + OUTAGE_UNDECIDED_MAX_USEC - 30 * SEC; i++)
        refuse(&o, &marks[i % 10], false, false);
}

static void messages_refused_in_turn_are_charged_one_after_the_other_in_the_end(void **state)
{
    struct outage o = {};
    struct outage_record marks[2] = {};

    for (int i = 0; i < 8; i++)
        refuse(&o, &marks[i % 2], false, false);
    o.next_usec = T0 + OUTAGE_UNDECIDED_MAX_USEC;
    refuse(&o, &marks[0], false, true);
    refuse(&o, &marks[1], false, false);
    refuse(&o, &marks[1], true, true);
}

static void handler_not_reached_may_ask_for_a_longer_pause(void **state)
{
    struct outage o = {};
    struct outage_record m = {};

    outage_message_begun(&o, &m, T0, 0);
    outage_not_reached(&o, &m, 60 * SEC, T0, 0);
    assert_int_equal(o.next_usec, T0 + 60 * SEC);
    outage_message_begun(&o, &m, o.next_usec, 0);
    outage_not_reached(&o, &m, 1, T0 + 60 * SEC, longest(2)); /* not for a shorter one */
    assert_int_equal(o.next_usec, T0 + 62 * SEC);
    outage_message_begun(&o, &m, o.next_usec, 0);
    outage_not_reached(&o, &m, USEC_INFINITY / 2, T0 + 100 * SEC, 0);
    assert_int_equal(o.next_usec, T0 + 100 * SEC + OUTAGE_ASKED_MAX_USEC);
}

static void message_that_reached_no_handler_is_never_charged(void **state)
{
    struct outage o = {};
    struct outage_record m = {}, other = {};

    outage_message_begun(&o, &other, T0, 0);
    for (int i = 0; i < 1000; i++) {
        outage_message_begun(&o, &m, o.next_usec, 0);
        outage_not_reached(&o, &m, 0, o.next_usec, 0);
    }
    assert_true(outage_answered(&o, &other));
    outage_mark_suspect(&o, &m);
    assert_false(outage_is_suspect(&m));
}

static void answer(struct outage *o, struct outage_record *m)
{
    outage_message_begun(o, m, MAX(o->next_usec, T0), 0);
    outage_answered(o, m);
}

static void message_refused_while_another_got_through_is_tried_by_itself(void **state)
{
    struct outage o = {};
    struct outage_record refused = {}, answered = {};

    outage_message_begun(&o, &answered, T0, 0);
    refuse(&o, &refused, false, false);
    assert_true(outage_answered(&o, &answered));
    outage_mark_suspect(&o, &refused);
    outage_mark_suspect(&o, &answered);
    assert_true(outage_is_suspect(&refused));
    assert_false(outage_is_suspect(&answered));
    refuse(&o, &refused, false, true);
}

/* All of an outage were refused: when it ends, that is not held against them. */
static void message_refused_before_another_was_tried_has_another_chance(void **state)
{
    struct outage o = {};
    struct outage_record refused = {}, answered = {};

    refuse(&o, &refused, false, false);
    refuse(&o, &refused, false, false);
    answer(&o, &answered);
    outage_mark_suspect(&o, &refused);
    assert_false(outage_is_suspect(&refused));

    refuse(&o, &refused, false, false);
    assert_true(outage_is_suspect(&refused));
    refuse(&o, &refused, false, false); /* as long as nothing gets through */
    answer(&o, &answered);
    refuse(&o, &refused, false, true);
}

/* Those that were with the handler when another crashed it, each time. */
static void suspect_that_is_answered_is_none(void **state)
{
    struct outage o = {};
    struct outage_record crash = {}, victim = {}, other = {};

    for (int i = 0; i < 2; i++) {
        refuse(&o, &crash, false, false);
        refuse(&o, &victim, false, false);
        answer(&o, &other);
    }
    assert_true(outage_is_suspect(&crash) && outage_is_suspect(&victim));
    refuse(&o, &crash, false, true);
    refuse(&o, &victim, false, false); /* the handler is not there again yet */
    answer(&o, &victim);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(outage_begins_when_a_message_does_not_get_through),
        cmocka_unit_test(tries_are_ever_further_apart_up_to_a_bound),
        cmocka_unit_test(those_begun_before_it_are_no_tries),
        cmocka_unit_test(answer_ends_an_outage_and_the_next_begins_anew),
        cmocka_unit_test(outage_lets_one_message_be_tried_at_a_time),
        cmocka_unit_test(gateway_may_put_off_the_next_try_within_bounds),
        cmocka_unit_test(message_refused_alone_is_charged_after_three_further_tries),
        cmocka_unit_test(message_among_others_is_not_charged_while_nothing_gets_through),
        cmocka_unit_test(messages_refused_in_turn_are_charged_one_after_the_other_in_the_end),
        cmocka_unit_test(handler_not_reached_may_ask_for_a_longer_pause),
        cmocka_unit_test(message_that_reached_no_handler_is_never_charged),
        cmocka_unit_test(message_refused_while_another_got_through_is_tried_by_itself),
        cmocka_unit_test(message_refused_before_another_was_tried_has_another_chance),
        cmocka_unit_test(suspect_that_is_answered_is_none),
    };

    return cmocka_run_group_tests_name("outage", tests, NULL, NULL);
}
