/* SPDX-License-Identifier: MIT */
#include "intake-fixture.h"

#include "producerd/intake/series.h"

#define SERIES "0b5e2a51-5f0e-4a86-9a4f-3f6c0a7e1a11"
#define ID_OF_1 "0b5e2a51-5f0e-4a86-9a4f-3f6c0a7e1a12"
#define BEGIN(after) "{\"command\":\"series\",\"id\":\"" SERIES "\",\"after\":" #after "}\n"
#define NOT_NOW                                                                                    \
    "{\"ok\": false, \"error\": \"a message before it in the series was not stored; try again "    \
    "later\", \"temporary\": true}\n"
#define STORED(id) "{\"ok\": true, \"id\": \"" id "\"}\n"

static void message_id_is_the_series_and_the_number(void **state)
{
    char id[UUID_TEXT_SIZE];

    series_message_id(SERIES, 1, id);
    assert_string_equal(id, ID_OF_1);
    series_message_id("0b5e2a51-5f0e-4a86-9a4f-ffffffffffff", 17, id);
    assert_string_equal(id, "0b5e2a51-5f0e-4a86-9a4f-000000000010");
}

static void only_a_uuid_is_the_id_of_a_series(void **state)
{
    assert_true(series_is_id(SERIES));
    assert_false(series_is_id(""));
    assert_false(series_is_id(SERIES "0"));
    assert_false(series_is_id("0b5e2a51-5f0e-4a86-9a4f-3f6c0a7e1a1"));
    assert_false(series_is_id("0B5e2a51-5f0e-4a86-9a4f-3f6c0a7e1a11"));
    assert_false(series_is_id("0b5e2a5115f0e-4a86-9a4f-3f6c0a7e1a11"));
}

static void bad_beginning_is_refused_and_the_connection_goes_on(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    send_text(f, c,
              "{\"command\":\"series\"}\n{\"command\":\"series\",\"id\":\"all\"}\n"
              "{\"command\":\"series\",\"id\":\"" SERIES "\",\"after\":-1}\n{\"body\":\"a\"}\n");
    wait_for_lines(f, c, 4);
    assert_answer(c, 0, "{\"ok\": false, \"error\": \"id: missing");
    assert_answer(c, 1, "{\"ok\": false, \"error\": \"id: not a UUID in lower case\"}\n");
    assert_answer(c, 2, "{\"ok\": false, \"error\": \"after: not a whole number from 0 on\"}\n");
    assert_true(is_ok(answer(c, 3)));
}

static void repeated_line_is_answered_as_before_and_not_stored_again(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f), *again = new_client(f);

    send_text(f, c, BEGIN(0) "{\"body\":\"a\"}\n{}\n{\"body\":\"c\"}\n");
    wait_for_lines(f, c, 4);
    assert_answer(c, 0, "{\"ok\": true, \"count\": 0, \"more\": false}\n");
    assert_answer(c, 1, STORED(ID_OF_1));
    assert_answer(c, 2, "{\"ok\": false, \"error\": \"body: missing\"}\n");
    assert_int_equal(f->store.series.number, 3);
    send_text(f, again, BEGIN(0) "{\"body\":\"a\"}\n{}\n{\"body\":\"c\"}\n{\"body\":\"d\"}\n");
    wait_for_lines(f, again, 5);
    assert_answer(again, 0, "{\"ok\": true, \"count\": 3, \"more\": false}\n");
    for (size_t i = 1; i < 4; i++)
        assert_memory_equal(answer(again, i), answer(c, i),
                            (size_t)(strchr(answer(c, i), '\n') - answer(c, i)));
    assert_true(is_ok(answer(again, 4)));
    assert_string_equal(f->store.order, "acd");
    assert_int_equal(f->store.series.number, 4);
}

/* The limits may have changed since the answer was lost: a line that was refused must not seem stored,
 * nor a stored one refused. */
static void repeated_line_is_not_judged_anew(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    f->store.series.number = 5003;
    f->store.series.refused[5002 % STORE_SERIES_KEPT / 8] = 1 << 5002 % 8;
    intake_set_message_max(f->intake, 10);
    send_text(f, c,
              BEGIN(5000) "{\"body\":\"longer than ten bytes\"}\n{\"body\":\"b\"}\n"
                          "{\"body\":\"c\"}\n{\"body\":\"d\"}\n");
    wait_for_lines(f, c, 5);
    assert_true(is_ok(answer(c, 1)));
    assert_answer(
        c, 2,
        "{\"ok\": false, \"error\": \"refused when it came first; the limits have changed: "
        "submit it again\"}\n");
    assert_true(is_ok(answer(c, 3)));
    assert_string_equal(f->store.order, "d");
}

static void answer_to_a_line_of_long_ago_is_forgotten(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    f->store.series.number = 5003;
    send_text(f, c, BEGIN(906) "{\"body\":\"a\"}\n{\"body\":\"b\"}\n");
    wait_for_lines(f, c, 3);
    assert_answer(c, 1, "{\"ok\": false, \"error\": \"too many lines have followed it");
    assert_true(is_ok(answer(c, 2)));
    assert_string_equal(f->store.order, "");
}

/* Adds the numbers from `first` to `last` that are no multiples of `refused`. */
static void add_all_but(struct series *series, uint64_t first, uint64_t last, uint64_t refused)
{
    for (series->next = first; series->next <= last; series->next++)
        if (series->next % refused != 0)
            series_add(series);
}

static void each_of_the_last_lines_is_known(void **state)
{
    struct series series;
    struct store_series stored = {.id = SERIES};

    series_begin(&series, &stored, 0);
    add_all_but(&series, 1, 10000, 3);
    add_all_but(&series, 10001, 20000, 7);
    series.committed = series.stored.number;
    assert_int_equal(series.committed, 20000);
    for (series.next = 20000 - STORE_SERIES_KEPT + 1; series.next <= 20000; series.next++)
        assert_int_equal(series_outcome(&series),
                         series.next % 7 == 0 ? SERIES_REFUSED : SERIES_STORED);
    series.next = 20000 - STORE_SERIES_KEPT;
    assert_int_equal(series_outcome(&series), SERIES_FORGOTTEN);
    series.next = 1;
    assert_int_equal(series_outcome(&series), SERIES_FORGOTTEN);

    /* more than all that are known are refused */
    series.next = 30001;
    series_add(&series);
    series.committed = 30001;
    for (series.next = 30001 - STORE_SERIES_KEPT + 1; series.next < 30001; series.next++)
        assert_int_equal(series_outcome(&series), SERIES_REFUSED);
    assert_int_equal(series_outcome(&series), SERIES_STORED);
}

static void series_goes_on_behind_what_was_answered(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    f->store.series.number = 7;
    send_text(f, c, BEGIN(6) "{\"body\":\"g\"}\n{\"body\":\"h\"}\n");
    wait_for_lines(f, c, 3);
    assert_string_equal(f->store.order, "h");
    assert_int_equal(f->store.series.number, 8);
}

static void command_in_a_series_is_refused(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    f->store.n_rejected = 5;
    send_text(f, c,
              BEGIN(0) "{\"command\":\"drop\",\"id\":\"all\"}\n" BEGIN(0) "{\"body\":\"a\"}\n");
    wait_for_lines(f, c, 4);
    for (size_t i = 1; i < 3; i++)
        assert_answer(c, i,
                      "{\"ok\": false, \"error\": \"command: a series has only messages\"}\n");
    assert_int_equal(f->store.n_rejected, 5);
    assert_int_equal(f->store.series.number, 3);
}

static void nothing_is_stored_behind_a_message_that_was_not_stored_now(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f), *again = new_client(f);

    f->store.n_full_after = 1;
    send_text(f, c, BEGIN(0) "{\"body\":\"a\"}\n{\"body\":\"b\"}\n");
    wait_for_lines(f, c, 3);
    f->store.n_full_after = 0;
    send_text(f, c, "{\"body\":\"c\"}\n{}\n");
    wait_for_lines(f, c, 5);
    assert_answer(c, 3, NOT_NOW);
    assert_answer(c, 4, "{\"ok\": false, \"error\": \"body: missing\"}\n");
    assert_string_equal(f->store.order, "a");
    send_text(f, again, BEGIN(1) "{\"body\":\"b\"}\n");
    wait_for_lines(f, again, 2);
    assert_string_equal(f->store.order, "ab");
}

static void failed_commit_is_not_noted_and_ends_the_series_for_now(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f), *again = new_client(f);

    f->store.commit_result = -ENOSPC;
    send_text(f, c, BEGIN(0) "{\"body\":\"a\"}\n");
    wait_for_lines(f, c, 2);
    f->store.commit_result = 0;
    send_text(f, c, "{\"body\":\"b\"}\n");
    wait_for_lines(f, c, 3);
    assert_answer(c, 2, NOT_NOW);
    assert_int_equal(f->store.n_committed, 0);
    send_text(f, again, BEGIN(0) "{\"body\":\"a\"}\n");
    wait_for_lines(f, again, 2);
    assert_answer(again, 0, "{\"ok\": true, \"count\": 0, \"more\": false}\n");
    assert_answer(again, 1, STORED(ID_OF_1));
    assert_int_equal(f->store.series.number, 1);
}

/* Otherwise the submitter would keep a message that is stored. */
static void failed_commit_revokes_no_answer_to_a_repeated_line(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    f->store.series.number = 2;
    f->store.commit_result = -ENOSPC;
    send_text(f, c, BEGIN(0) "{\"body\":\"a\"}\n{\"body\":\"b\"}\n{\"body\":\"c\"}\n");
    wait_for_lines(f, c, 4);
    assert_answer(c, 1, STORED(ID_OF_1));
    assert_true(is_ok(answer(c, 2)));
    assert_false(is_ok(answer(c, 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_id_is_the_series_and_the_number),
        cmocka_unit_test(only_a_uuid_is_the_id_of_a_series),
        cmocka_unit_test(bad_beginning_is_refused_and_the_connection_goes_on),
        cmocka_unit_test(repeated_line_is_answered_as_before_and_not_stored_again),
        cmocka_unit_test(repeated_line_is_not_judged_anew),
        cmocka_unit_test(answer_to_a_line_of_long_ago_is_forgotten),
        cmocka_unit_test(each_of_the_last_lines_is_known),
        cmocka_unit_test(series_goes_on_behind_what_was_answered),
        cmocka_unit_test(command_in_a_series_is_refused),
        cmocka_unit_test(nothing_is_stored_behind_a_message_that_was_not_stored_now),
        cmocka_unit_test(failed_commit_is_not_noted_and_ends_the_series_for_now),
        cmocka_unit_test(failed_commit_revokes_no_answer_to_a_repeated_line),
    };

    return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
