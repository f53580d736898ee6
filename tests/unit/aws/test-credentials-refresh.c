/* SPDX-License-Identifier: MIT */
/* When the cache replaces its keys: near their expiry, when they are refused, when files change. */
#include "credentials-fixture.h"

static void keys_expired_newer_ones_are_looked_for_first(void **state)
{
    struct fake fake = {
        .outcome = CREDENTIALS_FOUND, .id = "AKIA1", .lifetime_usec = 59 * USEC_PER_SEC};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker a = {};

    ask(c, &a);
    wall_clock_offset_sec += 30;
    assert_string_equal(credentials_peek(c)->access_key_id, "AKIA1");
    wall_clock_offset_sec += 29;
    assert_null(credentials_peek(c));
    assert_int_equal(fake.n_fetches, 1);
    fake.id = "AKIA2";
    ask(c, &a);
    assert_string_equal(a.id, "AKIA2");
}

static void newer_keys_are_fetched_ahead_of_the_expiry(void **state)
{
    struct fake fake = {.outcome = CREDENTIALS_FOUND,
                        .id = "AKIA1",
                        .is_async = true,
                        .lifetime_usec = 3600 * USEC_PER_SEC};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker a = {};
    uint64_t patience_usec;

    ask(c, &a);
    fake.id = "AKIA2";
    /* Not earlier than 20 min ahead. */
    pass_sec(2340);
    assert_non_null(credentials_peek(c));
    assert_int_equal(fake.n_fetches, 1);
    /* Not later than 15 min ahead; the old ones serve meanwhile. */
    pass_sec(361);
    for (int i = 0; i < 3; i++)
        assert_string_equal(credentials_peek(c)->access_key_id, "AKIA1");
    assert_int_equal(fake.n_fetches, 2);
    patience_usec = boot_clock_usec() + TEST_PATIENCE_USEC;
    while (streq(credentials_peek(c)->access_key_id, "AKIA1")) {
        assert_true(boot_clock_usec() < patience_usec);
        assert_true(sd_event_run(event, 100 * USEC_PER_MSEC) >= 0);
    }
    assert_string_equal(credentials_peek(c)->access_key_id, "AKIA2");
    assert_int_equal(fake.n_fetches, 2);
}

static void a_failed_refresh_keeps_the_old_keys_until_they_are_refused(void **state)
{
    struct fake fake = {
        .outcome = CREDENTIALS_FOUND, .id = "AKIA1", .lifetime_usec = 3600 * USEC_PER_SEC};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker a = {};

    ask(c, &a);
    fake.outcome = CREDENTIALS_FAILED;
    pass_sec(3000);
    assert_non_null(credentials_peek(c));
    run_for(event, 5 * USEC_PER_MSEC);
    assert_int_equal(fake.n_fetches, 2);
    /* The next try comes a minute later, not at once, and whatever becomes of the wall clock. */
    assert_non_null(credentials_peek(c));
    pass_sec(40);
    assert_non_null(credentials_peek(c));
    assert_int_equal(fake.n_fetches, 2);
    wall_clock_offset_sec -= 100;
    pass_sec(21);
    assert_non_null(credentials_peek(c));
    assert_int_equal(fake.n_fetches, 3);
    run_for(event, 5 * USEC_PER_MSEC);
    /* Whoever asks gets the old ones, too. */
    ask(c, &a);
    assert_string_equal(a.id, "AKIA1");
    assert_string_equal(a.error, "");

    /* They have expired by this machine's clock: once more newer ones are waited for. */
    pass_sec(700);
    assert_null(credentials_peek(c));
    ask(c, &a);
    assert_string_equal(a.id, "AKIA1");
    assert_non_null(credentials_peek(c));
    credentials_refused(c, credentials_peek(c));
    assert_null(credentials_peek(c));
    ask(c, &a);
    assert_string_equal(a.id, "");
    assert_string_equal(a.error, "first: it is broken");
}

static void keys_expired_by_our_clock_are_used_and_renewed_once_a_minute(void **state)
{
    struct fake fake = {.outcome = CREDENTIALS_FOUND,
                        .id = "AKIA1",
                        .lifetime_usec = (uint64_t)-1 * 3600 * USEC_PER_SEC};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker a = {};

    ask(c, &a);
    assert_string_equal(a.id, "AKIA1");
    for (unsigned minute = 1; minute <= 3; minute++) {
        for (int i = 0; i < 50; i++) {
            assert_non_null(credentials_peek(c));
            run_for(event, 100);
        }
        assert_int_equal(fake.n_fetches, minute);
        pass_sec(61);
    }
    /* AWS has the last word. */
    fake.outcome = CREDENTIALS_FAILED;
    credentials_refused(c, credentials_peek(c));
    assert_null(credentials_peek(c));
}

/* The expiry is on AWS's clock, whatever ours shows. */
static void expiry_is_judged_by_the_measured_clock(void **state)
{
    struct fake fake = {.outcome = CREDENTIALS_FOUND,
                        .id = "AKIA1",
                        .lifetime_usec = (uint64_t)-1 * 3600 * USEC_PER_SEC};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    int64_t wall_sec = (int64_t)(clock_wall_usec() / USEC_PER_SEC);
    int64_t boot_sec = (int64_t)(boot_clock_usec() / USEC_PER_SEC);
    struct clock_skew skew = {.is_known = true, .offset_sec = wall_sec - 5 * 3600 - boot_sec};
    struct asker a = {};

    /* Ours is five hours ahead: they have four hours left. */
    credentials_set_skew(c, &skew);
    ask(c, &a);
    pass_sec(3 * 3600);
    assert_non_null(credentials_peek(c));
    wall_clock_offset_sec -= 5 * 3600; /* somebody sets it */
    pass_sec(1800);
    assert_non_null(credentials_peek(c));
    assert_int_equal(fake.n_fetches, 1);
    pass_sec(1000);
    assert_non_null(credentials_peek(c));
    assert_int_equal(fake.n_fetches, 2);
    skew = (struct clock_skew){};
}

/* A file that is gone, or that cannot be used, is not looked at all the time. */
static void file_that_cannot_be_used_is_looked_at_once_a_minute(void **state)
{
    char path[] = "/tmp/test-credentials.XXXXXX";
    int fd = mkstemp(path);
    struct fake fake = {.outcome = CREDENTIALS_FOUND, .id = "AKIA1", .path = path};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker a = {};

    assert_true(fd >= 0);
    close(fd);
    ask(c, &a);
    pass_sec(6);
    assert_non_null(credentials_peek(c));
    assert_int_equal(fake.n_fetches, 1);
    assert_int_equal(unlink(path), 0);
    fake.outcome = CREDENTIALS_FAILED;
    for (unsigned walks = 2; walks <= 3; walks++) {
        pass_sec(6);
        for (int i = 0; i < 9; i++) {
            assert_string_equal(credentials_peek(c)->access_key_id, "AKIA1");
            assert_int_equal(fake.n_fetches, walks);
            pass_sec(6);
        }
    }
}

static void refused_keys_are_looked_up_anew(void **state)
{
    struct fake fake = {.outcome = CREDENTIALS_FOUND, .id = "AKIA1"};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    CLEANUP(aws_credentials_unref) struct aws_credentials *old = NULL;
    struct asker a = {};

    ask(c, &a);
    old = aws_credentials_ref(credentials_peek(c));
    credentials_refused(c, old);
    assert_null(credentials_peek(c));
    fake.id = "AKIA2";
    ask(c, &a);
    assert_string_equal(a.id, "AKIA2");
    assert_string_equal(credentials_peek(c)->access_key_id, "AKIA2");

    /* A late refusal of the old ones says nothing about these. */
    credentials_refused(c, old);
    assert_string_equal(credentials_peek(c)->access_key_id, "AKIA2");
    assert_int_equal(fake.n_fetches, 2);

    /* The same ones again are all there is: they are given out. */
    credentials_refused(c, credentials_peek(c));
    ask(c, &a);
    assert_string_equal(a.id, "AKIA2");
    assert_non_null(credentials_peek(c));
}

static void refused_keys_are_not_kept_by_a_failed_refresh(void **state)
{
    struct fake fake = {.outcome = CREDENTIALS_FOUND, .id = "AKIA1"};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker a = {};

    ask(c, &a);
    credentials_refused(c, credentials_peek(c));
    fake.outcome = CREDENTIALS_FAILED;
    ask(c, &a);
    assert_string_equal(a.error, "first: it is broken");
    assert_null(credentials_peek(c));
}

static void a_refusal_during_a_walk_is_answered_by_it(void **state)
{
    struct fake fake = {
        .outcome = CREDENTIALS_FOUND, .id = "AKIA1", .lifetime_usec = 3600 * USEC_PER_SEC};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker a = {};

    ask(c, &a);
    fake.is_async = true;
    fake.id = "AKIA2";
    wall_clock_offset_sec += 3000;
    credentials_refused(c, credentials_peek(c));
    ask(c, &a);
    assert_string_equal(a.id, "AKIA2");
    assert_int_equal(fake.n_fetches, 2);
}

static void run_until_keys_are(struct credentials *c, const char *id)
{
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    while (!streq(credentials_peek(c)->access_key_id, id)) {
        assert_true(sd_event_run(event, 100 * USEC_PER_MSEC) >= 0);
        assert_true(boot_clock_usec() < end);
    }
}

static void renewed_keys_replace_the_old_ones_which_serve_meanwhile(void **state)
{
    struct fake fake = {.outcome = CREDENTIALS_FOUND, .id = "AKIA1", .is_async = true};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker a = {};

    ask(c, &a);
    fake.id = "AKIA2";
    credentials_renew(c);
    assert_string_equal(credentials_peek(c)->access_key_id, "AKIA1");
    run_until_keys_are(c, "AKIA2");

    fake.outcome = CREDENTIALS_FAILED;
    credentials_renew(c);
    ask(c, &a); /* joins that walk */
    assert_int_equal(fake.n_fetches, 3);
    assert_string_equal(credentials_peek(c)->access_key_id, "AKIA2");
}

/* It may have read a file before the file was changed. */
static void keys_renewed_during_a_walk_another_walk_follows(void **state)
{
    struct fake fake = {.outcome = CREDENTIALS_FOUND, .id = "AKIA1", .is_async = true};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker a = {};

    submit(c, &a);
    credentials_renew(c);
    credentials_renew(c);
    run_until(event, &a.n_answers, 1);
    fake.id = "AKIA2";
    run_until_keys_are(c, "AKIA2");
    assert_int_equal(fake.n_fetches, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keys_expired_newer_ones_are_looked_for_first),
        TEST(newer_keys_are_fetched_ahead_of_the_expiry),
        TEST(a_failed_refresh_keeps_the_old_keys_until_they_are_refused),
        TEST(keys_expired_by_our_clock_are_used_and_renewed_once_a_minute),
        TEST(expiry_is_judged_by_the_measured_clock),
        TEST(file_that_cannot_be_used_is_looked_at_once_a_minute),
        TEST(refused_keys_are_looked_up_anew),
        TEST(refused_keys_are_not_kept_by_a_failed_refresh),
        TEST(a_refusal_during_a_walk_is_answered_by_it),
        TEST(renewed_keys_replace_the_old_ones_which_serve_meanwhile),
        TEST(keys_renewed_during_a_walk_another_walk_follows),
    };

    return cmocka_run_group_tests_name("credentials-refresh", tests, NULL, NULL);
}
