/* SPDX-License-Identifier: MIT */
/* Those who ask the cache for keys, and what they are answered. */
#include "credentials-fixture.h"

static void the_first_that_is_set_up_answers(void **state)
{
    for (int asynchronous = 0; asynchronous < 2; asynchronous++) {
        struct fake fakes[3] = {
            {.outcome = CREDENTIALS_NOT_SET_UP, .is_async = asynchronous},
            {.outcome = CREDENTIALS_FOUND, .id = "AKIA2"},
            {.outcome = CREDENTIALS_FOUND, .id = "AKIA3"},
        };
        CLEANUP(credentials_free) struct credentials *c = new_chain(fakes, 3);
        struct asker a = {};

        assert_null(credentials_peek(c));
        ask(c, &a);
        assert_string_equal(a.id, "AKIA2");
        assert_int_equal(fakes[0].n_fetches, 1);
        assert_int_equal(fakes[1].n_fetches, 1);
        assert_int_equal(fakes[2].n_fetches, 0);
        assert_string_equal(credentials_peek(c)->access_key_id, "AKIA2");
        assert_string_equal(credentials_peek(c)->secret_access_key, "SECRET");
        assert_string_equal(credentials_peek(c)->session_token, "TOKEN");
        assert_string_equal(credentials_peek(c)->source, "second");
        credentials_free(TAKE(c));
        for (int i = 0; i < 3; i++)
            assert_int_equal(fakes[i].n_freed, 1);
    }
}

static void one_that_fails_ends_the_chain(void **state)
{
    for (int asynchronous = 0; asynchronous < 2; asynchronous++) {
        struct fake fakes[3] = {
            {.outcome = CREDENTIALS_NOT_SET_UP},
            {.outcome = CREDENTIALS_FAILED, .is_async = asynchronous},
            {.outcome = CREDENTIALS_FOUND, .id = "AKIA3"},
        };
        CLEANUP(credentials_free) struct credentials *c = new_chain(fakes, 3);
        struct asker a = {};

        ask(c, &a);
        assert_string_equal(a.error, "second: it is broken");
        assert_int_equal(a.outcome, CREDENTIALS_FAILED);
        assert_int_equal(fakes[2].n_fetches, 0);
        assert_null(credentials_peek(c));
    }
}

static void one_that_cannot_be_asked_now_ends_the_chain_and_is_told_apart(void **state)
{
    struct fake fakes[3] = {
        {.outcome = CREDENTIALS_NOT_SET_UP},
        {.outcome = CREDENTIALS_UNREACHABLE, .is_async = true},
        {.outcome = CREDENTIALS_FOUND, .id = "AKIA3"},
    };
    CLEANUP(credentials_free) struct credentials *c = new_chain(fakes, 3);
    struct asker a = {};

    ask(c, &a);
    assert_int_equal(a.outcome, CREDENTIALS_UNREACHABLE);
    assert_string_equal(a.error, "second: it is broken");
    assert_int_equal(fakes[2].n_fetches, 0);
    fakes[1].outcome = CREDENTIALS_FOUND;
    fakes[1].id = "AKIA2";
    ask(c, &a);
    assert_string_equal(a.id, "AKIA2");
}

/* From inside an answer, a walk that ends at once must not change what the others hear. */
static void ask_for_another_outcome(struct asker *a)
{
    struct fake *fake = (struct fake *)a->other;

    a->then = NULL;
    fake->outcome = CREDENTIALS_FAILED;
    assert_int_equal(credentials_get(a->credentials, on_answer, a, &a->slot), 0);
}

static void who_asks_again_inside_an_answer_changes_none_of_the_others(void **state)
{
    struct fake fake = {.outcome = CREDENTIALS_UNREACHABLE};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker first = {.then = ask_for_another_outcome, .other = (struct asker *)&fake};
    struct asker second = {};

    submit(c, &first);
    submit(c, &second);
    run_until(event, &first.n_answers, 2);
    assert_int_equal(first.outcome, CREDENTIALS_FAILED);
    assert_int_equal(second.outcome, CREDENTIALS_UNREACHABLE);
}

static void an_error_of_fetch_ends_the_chain(void **state)
{
    struct fake fakes[2] = {{.error = -ENOMEM}, {.outcome = CREDENTIALS_FOUND, .id = "AKIA"}};
    CLEANUP(credentials_free) struct credentials *c = new_chain(fakes, 2);
    struct asker a = {};

    ask(c, &a);
    assert_string_equal(a.error, "first: Cannot allocate memory");
    assert_int_equal(a.outcome, CREDENTIALS_SHORTAGE);
    fakes[0].error = 0;
    fakes[0].outcome = CREDENTIALS_NOT_SET_UP;
    ask(c, &a);
    assert_string_equal(a.id, "AKIA");
}

static void none_found_names_each_place(void **state)
{
    struct fake fakes[2] = {{.outcome = CREDENTIALS_NOT_SET_UP, .is_async = true},
                            {.outcome = CREDENTIALS_NOT_SET_UP}};
    CLEANUP(credentials_free) struct credentials *c = new_chain(fakes, 2);
    struct asker a = {};

    for (int i = 0; i < 2; i++) {
        ask(c, &a);
        assert_string_equal(a.error, "first: nothing here; second: nothing here");
        assert_int_equal(a.outcome, CREDENTIALS_NOT_SET_UP);
        assert_string_equal(a.id, "");
    }
}

static void not_reached_it_counts_as_not_set_up_after_a_minute(void **state)
{
    /* It answers from the loop, which has looked at the clock then. */
    struct fake fakes[2] = {{.outcome = CREDENTIALS_NOT_SET_UP},
                            {.outcome = CREDENTIALS_NO_ANSWER_YET, .is_async = true}};
    CLEANUP(credentials_free) struct credentials *c = new_chain(fakes, 2);
    struct asker a = {};

    for (int minute = 0; minute < 2; minute++) {
        for (int i = 0; i < 3; i++) {
            ask(c, &a);
            assert_int_equal(a.outcome, CREDENTIALS_NO_ANSWER_YET);
            assert_string_equal(a.error, "first: nothing here; second: nobody there");
            boot_clock_offset_sec += 19;
        }
        boot_clock_offset_sec += 4;
        ask(c, &a);
        assert_int_equal(a.outcome, CREDENTIALS_NOT_SET_UP);

        /* An answer in between, whatever it is, begins the minute anew. */
        fakes[1].outcome = CREDENTIALS_UNREACHABLE;
        ask(c, &a);
        assert_int_equal(a.outcome, CREDENTIALS_UNREACHABLE);
        fakes[1].outcome = CREDENTIALS_NO_ANSWER_YET;
    }

    fakes[1].outcome = CREDENTIALS_FOUND;
    fakes[1].id = "AKIA2";
    ask(c, &a);
    assert_string_equal(a.id, "AKIA2");
}

/* It said itself that it has none: nobody else is waited for. */
static void reached_and_not_set_up_nothing_is_waited_for(void **state)
{
    struct fake fake = {.outcome = CREDENTIALS_NO_ANSWER_YET};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker a = {};

    ask(c, &a);
    assert_int_equal(a.outcome, CREDENTIALS_NO_ANSWER_YET);
    fake.outcome = CREDENTIALS_NOT_SET_UP;
    ask(c, &a);
    assert_int_equal(a.outcome, CREDENTIALS_NOT_SET_UP);
    fake.outcome = CREDENTIALS_NO_ANSWER_YET;
    ask(c, &a);
    assert_int_equal(a.outcome, CREDENTIALS_NO_ANSWER_YET);
}

static void keys_in_use_their_place_is_not_reached_is_unreachable_for_good(void **state)
{
    struct fake fakes[2] = {
        {.outcome = CREDENTIALS_NOT_SET_UP},
        {.outcome = CREDENTIALS_FOUND, .id = "AKIA", .lifetime_usec = 60 * USEC_PER_SEC},
    };
    CLEANUP(credentials_free) struct credentials *c = new_chain(fakes, 2);
    struct asker a = {};

    ask(c, &a);
    assert_string_equal(a.id, "AKIA");
    fakes[1].outcome = CREDENTIALS_NO_ANSWER_YET;
    credentials_refused(c, credentials_peek(c));
    for (int i = 0; i < 3; i++) {
        ask(c, &a);
        assert_int_equal(a.outcome, CREDENTIALS_UNREACHABLE);
        assert_string_equal(a.error, "second: nobody there");
        boot_clock_offset_sec += 61;
    }
}

static void all_who_ask_at_once_share_one_walk(void **state)
{
    for (int asynchronous = 0; asynchronous < 2; asynchronous++) {
        struct fake fake = {.outcome = CREDENTIALS_FOUND, .id = "AKIA", .is_async = asynchronous};
        CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
        struct asker askers[50] = {};

        for (size_t i = 0; i < ARRAY_SIZE(askers); i++)
            submit(c, &askers[i]);
        for (size_t i = 0; i < ARRAY_SIZE(askers); i++) {
            run_until(event, &askers[i].n_answers, 1);
            assert_string_equal(askers[i].id, "AKIA");
        }
        assert_int_equal(fake.n_fetches, 1);
        run_for(event, 5 * USEC_PER_MSEC);
        for (size_t i = 0; i < ARRAY_SIZE(askers); i++)
            assert_int_equal(askers[i].n_answers, 1);
    }
}

static void those_who_wait_are_bounded(void **state)
{
    static struct asker askers[CREDENTIALS_WAITING_MAX];
    struct fake fake = {.outcome = CREDENTIALS_FOUND, .id = "AKIA", .is_async = true};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker late = {};

    for (size_t i = 0; i < ARRAY_SIZE(askers); i++)
        submit(c, &askers[i]);
    assert_int_equal(credentials_get(c, on_answer, &late, &late.slot), -EBUSY);
    run_until(event, &askers[CREDENTIALS_WAITING_MAX - 1].n_answers, 1);
    ask(c, &late);
    assert_string_equal(late.id, "AKIA");
}

static void a_cancelled_asker_hears_nothing(void **state)
{
    struct fake fake = {.outcome = CREDENTIALS_FOUND, .id = "AKIA", .is_held = true};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker askers[3] = {};

    assert_null(credentials_slot_cancel(NULL));
    for (int i = 0; i < 3; i++)
        submit(c, &askers[i]);
    credentials_slot_cancel(askers[0].slot);
    run_for(event, 2 * USEC_PER_MSEC);
    credentials_slot_cancel(askers[1].slot);
    fake_answer(&fake);
    run_until(event, &askers[2].n_answers, 1);
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(askers[0].n_answers + askers[1].n_answers, 0);
    /* What was found is kept all the same. */
    assert_non_null(credentials_peek(c));
}

static void cancel_other(struct asker *a)
{
    if (a->other->slot)
        a->other->slot = credentials_slot_cancel(a->other->slot);
}

static void an_answer_may_cancel_another(void **state)
{
    struct fake fake = {.outcome = CREDENTIALS_FOUND, .id = "AKIA"};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker askers[2] = {};

    for (int i = 0; i < 2; i++) {
        askers[i].then = cancel_other;
        askers[i].other = &askers[1 - i];
        submit(c, &askers[i]);
    }
    run_until(event, &askers[0].n_answers, 1);
    run_for(event, 5 * USEC_PER_MSEC);
    assert_int_equal(askers[1].n_answers, 0);
}

static void ask_again(struct asker *a)
{
    if (a->n_answers < 20)
        submit(a->credentials, a);
}

static void an_answer_may_ask_again(void **state)
{
    for (int asynchronous = 0; asynchronous < 2; asynchronous++) {
        struct fake fake = {.outcome = CREDENTIALS_NOT_SET_UP, .is_async = asynchronous};
        CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
        struct asker a = {.then = ask_again}, b = {.then = ask_again};

        submit(c, &a);
        submit(c, &b);
        run_until(event, &a.n_answers, 20);
        run_until(event, &b.n_answers, 20);
        assert_int_equal(fake.n_fetches, 20);
        assert_string_equal(a.error, "first: nothing here");
    }
}

static void freeing_drops_those_who_wait(void **state)
{
    struct fake fake = {.outcome = CREDENTIALS_FOUND, .id = "AKIA", .is_async = true};
    struct credentials *c = new_chain(&fake, 1);
    struct asker a = {}, b = {};

    submit(c, &a);
    submit(c, &b);
    credentials_slot_cancel(b.slot);
    assert_null(credentials_free(c));
    assert_null(credentials_free(NULL));
    run_for(event, 20 * USEC_PER_MSEC);
    assert_int_equal(a.n_answers, 0);

    /* With the answer found and not yet given. */
    fake.is_async = false;
    c = new_chain(&fake, 1);
    submit(c, &a);
    credentials_free(c);
    run_for(event, 5 * USEC_PER_MSEC);
    assert_int_equal(a.n_answers, 0);
}

static void keys_with_a_flaw_are_not_taken(void **state)
{
    struct fake fakes[2] = {{.outcome = CREDENTIALS_FOUND, .id = "AKIA\nX-Evil: 1"},
                            {.outcome = CREDENTIALS_FOUND, .id = "AKIA2"}};
    CLEANUP(credentials_free) struct credentials *c = new_chain(fakes, 2);
    struct asker a = {};

    ask(c, &a);
    assert_string_equal(a.id, "");
    assert_memory_equal(a.error, "first: the access key id has ", 29);
    assert_null(credentials_peek(c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_that_is_set_up_answers),
        TEST(one_that_fails_ends_the_chain),
        TEST(one_that_cannot_be_asked_now_ends_the_chain_and_is_told_apart),
        TEST(who_asks_again_inside_an_answer_changes_none_of_the_others),
        TEST(an_error_of_fetch_ends_the_chain),
        TEST(none_found_names_each_place),
        TEST(not_reached_it_counts_as_not_set_up_after_a_minute),
        TEST(reached_and_not_set_up_nothing_is_waited_for),
        TEST(keys_in_use_their_place_is_not_reached_is_unreachable_for_good),
        TEST(all_who_ask_at_once_share_one_walk),
        TEST(those_who_wait_are_bounded),
        TEST(a_cancelled_asker_hears_nothing),
        TEST(an_answer_may_cancel_another),
        TEST(an_answer_may_ask_again),
        TEST(freeing_drops_those_who_wait),
        TEST(keys_with_a_flaw_are_not_taken),
    };

    return cmocka_run_group_tests_name("credentials", tests, NULL, NULL);
}
