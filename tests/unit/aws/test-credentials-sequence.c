/* SPDX-License-Identifier: MIT */
#include "aws/credentials-sequence.h"
#include "test-aws-home.h"
#include "test.h"

/* A provider that answers as it is told. */
struct puppet {
    struct credentials_provider head;
    enum credentials_outcome outcome;
    const char *text; /* NULL: fetch fails */
    struct aws_credentials *credentials;
    unsigned *n_asked, *n_freed;
};

static int puppet_start(struct credentials_provider *provider)
{
    struct puppet *p = (struct puppet *)provider;

    ++*p->n_asked;
    if (!p->text)
        return -ENOMEM;
    credentials_provider_answer(provider, p->outcome,
                                p->outcome == CREDENTIALS_FOUND ? p->credentials : NULL, p->text);
    return 0;
}

static void puppet_free(struct credentials_provider *provider)
{
    struct puppet *p = (struct puppet *)provider;

    ++*p->n_freed;
    aws_credentials_unref(p->credentials);
}

static unsigned n_asked, n_freed;

static struct credentials_provider *puppet(const char *name, enum credentials_outcome outcome,
                                           const char *text)
{
    static const struct credentials_provider_ops ops = {.start = puppet_start, .free = puppet_free};
    struct credentials_provider *provider = NULL;
    struct puppet *p;

    assert_int_equal(credentials_provider_new(sizeof(*p), &ops, name, NULL, &provider), 0);
    p = (struct puppet *)provider;
    p->outcome = outcome;
    p->text = text;
    p->n_asked = &n_asked;
    p->n_freed = &n_freed;
    if (outcome == CREDENTIALS_FOUND)
        assert_int_equal(
            aws_credentials_new("AKID", SECRET, NULL, name, USEC_INFINITY, &p->credentials), 0);
    return &p->head;
}

static void the_first_that_is_set_up_answers(void **state)
{
    static const struct {
        enum credentials_outcome outcomes[3];
        const char *texts[3];
        enum credentials_outcome outcome;
        const char *text;
        unsigned n_asked;
    } rows[] = {
        {{CREDENTIALS_FOUND, CREDENTIALS_FOUND, CREDENTIALS_FOUND},
         {"", "", ""},
         CREDENTIALS_FOUND,
         "a",
         1},
        {{CREDENTIALS_NOT_SET_UP, CREDENTIALS_FOUND, CREDENTIALS_FAILED},
         {"no", "", "bad"},
         CREDENTIALS_FOUND,
         "b",
         2},
        {{CREDENTIALS_NOT_SET_UP, CREDENTIALS_NOT_SET_UP, CREDENTIALS_NOT_SET_UP},
         {"no", "neither", "nor"},
         CREDENTIALS_NOT_SET_UP,
         "a: no; b: neither; c: nor",
         3},
        {{CREDENTIALS_NOT_SET_UP, CREDENTIALS_NO_ANSWER_YET, CREDENTIALS_NOT_SET_UP},
         {"no", "nobody", "nor"},
         CREDENTIALS_NO_ANSWER_YET,
         "a: no; b: nobody; c: nor",
         3},
        {{CREDENTIALS_NO_ANSWER_YET, CREDENTIALS_FOUND, CREDENTIALS_NOT_SET_UP},
         {"nobody", "", "nor"},
         CREDENTIALS_FOUND,
         "b",
         2},
        {{CREDENTIALS_NOT_SET_UP, CREDENTIALS_FAILED, CREDENTIALS_FOUND},
         {"no", "bad", ""},
         CREDENTIALS_FAILED,
         "b: bad",
         2},
        {{CREDENTIALS_NOT_SET_UP, CREDENTIALS_NOT_SET_UP, CREDENTIALS_FOUND},
         {"no", NULL, ""},
         CREDENTIALS_SHORTAGE,
         "b: Cannot allocate memory",
         2},
        {{CREDENTIALS_NOT_SET_UP, CREDENTIALS_UNREACHABLE, CREDENTIALS_FOUND},
         {"no", "away", ""},
         CREDENTIALS_UNREACHABLE,
         "b: away",
         2},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        static const char *const names[] = {"a", "b", "c"};
        struct credentials_provider *members[3], *p = NULL;
        struct answer a = {};

        for (size_t k = 0; k < 3; k++)
            members[k] = puppet(names[k], rows[i].outcomes[k], rows[i].texts[k]);
        assert_int_equal(credentials_sequence_new("all", members, 3, &p), 0);
        assert_string_equal(p->name, "all");
        for (unsigned round = 0; round < 2; round++) { /* each fetch begins anew */
            n_asked = 0;
            answer_reset(&a);
            credentials_provider_fetch(p, on_answer, &a);
            assert_int_equal(a.n, 1);
            assert_int_equal(a.outcome, rows[i].outcome);
            assert_string_equal(a.credentials ? a.credentials->source : a.text, rows[i].text);
            assert_int_equal(n_asked, rows[i].n_asked);
        }
        answer_reset(&a);
        n_freed = 0;
        credentials_provider_free(p);
        assert_int_equal(n_freed, 3);
    }
}

/* Whoever found the keys is set up, and stays it until another finds keys. */
static void provider_of_the_last_keys_gives_no_answer_outcome_is_unreachable(void **state)
{
    static const struct {
        enum credentials_outcome outcomes[2], outcome;
        const char *text;
    } rows[] = {
        {{CREDENTIALS_FOUND, CREDENTIALS_FOUND}, CREDENTIALS_FOUND, "a"},
        {{CREDENTIALS_NO_ANSWER_YET, CREDENTIALS_FOUND}, CREDENTIALS_UNREACHABLE, "a: x"},
        {{CREDENTIALS_NOT_SET_UP, CREDENTIALS_FOUND}, CREDENTIALS_FOUND, "b"},
        {{CREDENTIALS_NO_ANSWER_YET, CREDENTIALS_NOT_SET_UP},
         CREDENTIALS_NO_ANSWER_YET,
         "a: x; b: x"},
        {{CREDENTIALS_FAILED, CREDENTIALS_FOUND}, CREDENTIALS_FAILED, "a: x"},
        {{CREDENTIALS_NO_ANSWER_YET, CREDENTIALS_NO_ANSWER_YET}, CREDENTIALS_UNREACHABLE, "b: x"},
    };
    struct credentials_provider *members[] = {puppet("a", CREDENTIALS_FOUND, "x"),
                                              puppet("b", CREDENTIALS_FOUND, "x")};
    CLEANUP(credentials_provider_free) struct credentials_provider *p = NULL;

    assert_int_equal(credentials_sequence_new("all", members, 2, &p), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(answer_reset) struct answer a = {};

        for (size_t k = 0; k < 2; k++)
            ((struct puppet *)members[k])->outcome = rows[i].outcomes[k];
        credentials_provider_fetch(p, on_answer, &a);
        assert_int_equal(a.n, 1);
        assert_int_equal(a.outcome, rows[i].outcome);
        assert_string_equal(a.credentials ? a.credentials->source : a.text, rows[i].text);
    }
}

static void too_many_are_freed_and_refused(void **state)
{
    struct credentials_provider *members[CREDENTIALS_PROVIDERS_MAX + 1], *p = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        members[i] = puppet("x", CREDENTIALS_NOT_SET_UP, "");
    n_freed = 0;
    assert_int_equal(credentials_sequence_new("all", members, ARRAY_SIZE(members), &p), -E2BIG);
    assert_null(p);
    assert_int_equal(n_freed, ARRAY_SIZE(members));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_is_set_up_answers),
        cmocka_unit_test(provider_of_the_last_keys_gives_no_answer_outcome_is_unreachable),
        cmocka_unit_test(too_many_are_freed_and_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
