/* SPDX-License-Identifier: MIT */
/* What all providers share: a fetch has one answer, whatever the provider's own file does. */
#include "aws/credentials-provider.h"
#include "test-aws-home.h"
#include "test.h"

/* A provider that answers when it is told to. */
struct puppet {
    struct credentials_provider head;
    int error; /* of start */
    unsigned n_starts, n_stops;
    bool is_under_way;
};

static unsigned n_freed;

static int puppet_start(struct credentials_provider *provider)
{
    struct puppet *p = (struct puppet *)provider;

    p->n_starts++;
    p->is_under_way = true;
    return p->error;
}

static void puppet_stop(struct credentials_provider *provider)
{
    struct puppet *p = (struct puppet *)provider;

    p->n_stops++;
    p->is_under_way = false;
}

static void puppet_free(struct credentials_provider *provider)
{
    assert_false(((struct puppet *)provider)->is_under_way);
    n_freed++;
}

static struct puppet *new_puppet(const char *profile)
{
    static const struct credentials_provider_ops ops = {
        .start = puppet_start,
        .stop = puppet_stop,
        .free = puppet_free,
    };
    struct credentials_provider *provider = NULL;

    n_freed = 0;
    assert_int_equal(
        credentials_provider_new(sizeof(struct puppet), &ops, "puppet", profile, &provider), 0);
    return (struct puppet *)provider;
}

static void provider_is_new_has_name_and_profile(void **state)
{
    char profile[] = "work";
    struct puppet *p = new_puppet(profile), *q = new_puppet("");

    profile[0] = 'X'; /* it was copied */
    assert_string_equal(p->head.name, "puppet");
    assert_string_equal(p->head.profile, "work");
    assert_string_equal(credentials_provider_profile(&p->head), "work");
    assert_null(q->head.profile);
    setenv("AWS_PROFILE", "from-environment", 1);
    assert_string_equal(credentials_provider_profile(&q->head), "from-environment");
    assert_string_equal(credentials_provider_profile(&p->head), "work");
    credentials_provider_free(&p->head);
    credentials_provider_free(&q->head);
    assert_int_equal(n_freed, 2);
}

static void start_fails_errno_is_the_answer(void **state)
{
    static const struct {
        int error;
        enum credentials_outcome outcome;
    } rows[] = {
        {-ENOMEM, CREDENTIALS_SHORTAGE}, {-EMFILE, CREDENTIALS_SHORTAGE},
        {-ENFILE, CREDENTIALS_SHORTAGE}, {-EAGAIN, CREDENTIALS_SHORTAGE},
        {-EIO, CREDENTIALS_SHORTAGE},    {-EINVAL, CREDENTIALS_FAILED},
        {-E2BIG, CREDENTIALS_FAILED},    {-ENODEV, CREDENTIALS_UNREACHABLE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct puppet *p = new_puppet(NULL);
        struct answer a = {};

        p->error = rows[i].error;
        credentials_provider_fetch(&p->head, on_answer, &a);
        assert_int_equal(a.n, 1);
        assert_int_equal(a.outcome, rows[i].outcome);
        assert_string_equal(a.text, strerror(-rows[i].error));
        assert_false(p->is_under_way); /* what it had begun was stopped */
        answer_reset(&a);
        credentials_provider_free(&p->head);
    }
}

static void start_answers_nothing_more_follows(void **state)
{
    struct puppet *p = new_puppet(NULL);
    struct answer a = {};

    credentials_provider_fetch(&p->head, on_answer, &a);
    assert_int_equal(a.n, 0);
    credentials_provider_fail(&p->head, CREDENTIALS_FAILED, "bad");
    assert_int_equal(a.n, 1);
    assert_string_equal(a.text, "bad");
    answer_reset(&a);

    credentials_provider_fetch(&p->head, on_answer, &a);
    credentials_provider_fail(&p->head, CREDENTIALS_FAILED, ""); /* a buffer without memory */
    assert_int_equal(a.n, 1);
    assert_string_equal(a.text, "out of memory");
    answer_reset(&a);
    credentials_provider_free(&p->head);
    assert_int_equal(a.n, 0);
}

/* Such a key would end a line of an HTTP request, whoever asks for it. */
static void keys_with_a_flaw_outcome_is_failed(void **state)
{
    static const char *const ids[] = {"AKIA", "AKIA\nX-Evil: 1"};

    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        CLEANUP(aws_credentials_unref) struct aws_credentials *keys = NULL;
        CLEANUP(answer_reset) struct answer a = {};
        struct puppet *p = new_puppet(NULL);

        assert_int_equal(aws_credentials_new(ids[i], SECRET, NULL, "here", USEC_INFINITY, &keys),
                         0);
        credentials_provider_fetch(&p->head, on_answer, &a);
        credentials_provider_found(&p->head, keys);
        assert_int_equal(a.outcome, i == 0 ? CREDENTIALS_FOUND : CREDENTIALS_FAILED);
        if (i > 0)
            assert_memory_equal(a.text, "the access key id has ", 22);
        credentials_provider_free(&p->head);
    }
}

static void fetch_is_cancelled_nobody_is_answered(void **state)
{
    struct puppet *p = new_puppet(NULL);
    struct answer first = {}, second = {};

    credentials_provider_fetch(&p->head, on_answer, &first);
    credentials_provider_fetch(&p->head, on_answer, &second); /* ends the one before */
    assert_int_equal(p->n_starts, 2);
    assert_int_equal(p->n_stops, 2); /* before each start */
    credentials_provider_fail(&p->head, CREDENTIALS_NOT_SET_UP, "nothing");
    assert_int_equal(first.n, 0);
    assert_int_equal(second.n, 1);

    credentials_provider_fetch(&p->head, on_answer, &first);
    credentials_provider_cancel(&p->head);
    assert_false(p->is_under_way);
    credentials_provider_fetch(&p->head, on_answer, &first);
    credentials_provider_free(&p->head); /* in the middle of a fetch; puppet_free looks */
    assert_int_equal(first.n, 0);
    assert_int_equal(n_freed, 1);
}

static unsigned n_rounds;

static void on_answer_fetch_again(void *userdata, enum credentials_outcome outcome,
                                  struct aws_credentials *credentials, const char *text)
{
    struct puppet *p = userdata;

    if (++n_rounds < 3)
        credentials_provider_fetch(&p->head, on_answer_fetch_again, p);
}

static void callback_fetches_again_both_are_answered(void **state)
{
    struct puppet *p = new_puppet(NULL);

    n_rounds = 0;
    p->error = -ENOMEM; /* answers inside fetch */
    credentials_provider_fetch(&p->head, on_answer_fetch_again, p);
    assert_int_equal(n_rounds, 3);

    n_rounds = 1;
    p->error = 0;
    credentials_provider_fetch(&p->head, on_answer_fetch_again, p);
    credentials_provider_fail(&p->head, CREDENTIALS_FAILED, "one");
    assert_int_equal(n_rounds, 2);
    assert_true(p->is_under_way); /* the second was not ended by the answer to the first */
    credentials_provider_fail(&p->head, CREDENTIALS_FAILED, "two");
    assert_int_equal(n_rounds, 3);
    credentials_provider_free(&p->head);
}

static void profile_lacks_a_setting_the_answer_names_both(void **state)
{
    struct puppet *p = new_puppet("wo\nrk");
    struct answer a = {};

    credentials_provider_fetch(&p->head, on_answer, &a);
    credentials_provider_lacks(&p->head, "role_arn");
    assert_int_equal(a.outcome, CREDENTIALS_NOT_SET_UP);
    assert_text_has(&a, "profile wo");
    assert_text_has(&a, "rk has no role_arn");
    answer_reset(&a);
    credentials_provider_free(&p->head);
}

static void file_is_malformed_the_answer_says_so(void **state)
{
    struct puppet *p = new_puppet(NULL);
    CLEANUP(aws_profiles_free) struct aws_profiles *profiles = NULL;
    struct answer a = {};

    aws_home_write(".aws/config", "[default]\nregion = here\n");
    credentials_provider_fetch(&p->head, on_answer, &a);
    assert_int_equal(credentials_provider_read_files(&p->head, &profiles, NULL), 0);
    assert_int_equal(a.n, 0);
    assert_string_equal(aws_profiles_get(profiles, "default", "region", NULL), "here");
    aws_profiles_free(TAKE(profiles));

    aws_home_write(".aws/config", "no section here\n");
    assert_true(credentials_provider_read_files(&p->head, &profiles, NULL) > 0);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.outcome, CREDENTIALS_FAILED);
    assert_text_has(&a, ".aws/config");
    assert_null(profiles);
    answer_reset(&a);
    credentials_provider_free(&p->head);
}

static int set_up(void **state)
{
    aws_home_reset();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(provider_is_new_has_name_and_profile),
        TEST(start_fails_errno_is_the_answer),
        TEST(start_answers_nothing_more_follows),
        TEST(keys_with_a_flaw_outcome_is_failed),
        TEST(fetch_is_cancelled_nobody_is_answered),
        TEST(callback_fetches_again_both_are_answered),
        TEST(profile_lacks_a_setting_the_answer_names_both),
        TEST(file_is_malformed_the_answer_says_so),
    };

    return cmocka_run_group_tests(tests, aws_home_make, aws_home_remove);
}
