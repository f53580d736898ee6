/* SPDX-License-Identifier: MIT */
#include "aws/credentials-sequence.h"
#include "aws/credentials.h"
#include "test-loop.h"
#include "util/clock.h"

#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The clocks of this process, moved by hand. Overrides libc's. */
static int64_t wall_clock_offset_sec, boot_clock_offset_sec;

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);

    if (r == 0 && clock == CLOCK_REALTIME)
        ret->tv_sec += wall_clock_offset_sec;
    if (r == 0 && clock == CLOCK_BOOTTIME)
        ret->tv_sec += boot_clock_offset_sec;
    return r;
}

static sd_event *event;

/* --- A provider that does as it is told --- */

struct fake {
    struct credentials_provider *provider;
    enum credentials_outcome outcome;
    const char *id;         /* of the keys it finds */
    uint64_t lifetime_usec; /* USEC_INFINITY: for ever */
    const char *path;       /* of the file that they stand in; NULL: none */
    bool is_async;
    int error; /* of fetch itself */

    unsigned n_fetches, n_freed;
    sd_event_source *answer;
};

struct fake_provider {
    struct credentials_provider head;
    struct fake *fake;
};

static void fake_answer(struct fake *f)
{
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;

    if (f->outcome == CREDENTIALS_FOUND)
        assert_int_equal(aws_credentials_new(f->id, "SECRET", "TOKEN", f->provider->name,
                                             f->lifetime_usec == USEC_INFINITY
                                                 ? USEC_INFINITY
                                                 : clock_wall_usec() + f->lifetime_usec,
                                             &c),
                         0);
    if (c && f->path)
        assert_int_equal(aws_credentials_set_file(c, f->path), 0);
    credentials_provider_answer(f->provider, f->outcome, c,
                                f->outcome == CREDENTIALS_NOT_SET_UP      ? "nothing here"
                                : f->outcome == CREDENTIALS_NO_ANSWER_YET ? "nobody there"
                                                                          : "it is broken");
}

static int on_fake_answer(sd_event_source *source, uint64_t usec, void *userdata)
{
    fake_answer(userdata);
    return 0;
}

static int fake_start(struct credentials_provider *provider)
{
    struct fake *f = ((struct fake_provider *)provider)->fake;

    f->n_fetches++;
    if (f->error < 0)
        return f->error;
    if (!f->is_async) {
        fake_answer(f);
        return 0;
    }
    return sd_event_add_time_relative(event, &f->answer, CLOCK_BOOTTIME, 10 * USEC_PER_MSEC, 1,
                                      on_fake_answer, f);
}

static void fake_stop(struct credentials_provider *provider)
{
    struct fake *f = ((struct fake_provider *)provider)->fake;

    f->answer = sd_event_source_disable_unref(f->answer);
}

static void fake_free(struct credentials_provider *provider)
{
    ((struct fake_provider *)provider)->fake->n_freed++;
}

static struct credentials_provider *new_fake(struct fake *fake, const char *name)
{
    static const struct credentials_provider_ops ops = {
        .start = fake_start,
        .stop = fake_stop,
        .free = fake_free,
    };

    assert_int_equal(
        credentials_provider_new(sizeof(struct fake_provider), &ops, name, NULL, &fake->provider),
        0);
    ((struct fake_provider *)fake->provider)->fake = fake;
    return fake->provider;
}

static struct credentials *new_chain(struct fake *fakes, size_t n)
{
    struct credentials_provider *providers[CREDENTIALS_PROVIDERS_MAX], *chain = NULL;
    static const char *const names[] = {"first", "second", "third"};
    struct credentials *c;

    for (size_t i = 0; i < n; i++) {
        if (fakes[i].lifetime_usec == 0)
            fakes[i].lifetime_usec = USEC_INFINITY;
        providers[i] = new_fake(&fakes[i], names[i]);
    }
    assert_int_equal(credentials_sequence_new("chain", providers, n, &chain), 0);
    assert_int_equal(credentials_new(event, chain, &c), 0);
    return c;
}

/* --- One who asks --- */

struct asker {
    unsigned n_answers;
    enum credentials_outcome outcome;
    char id[64], error[256];
    struct credentials_slot *slot;
    void (*then)(struct asker *asker);
    struct credentials *credentials;
    struct asker *other;
};

static unsigned n_answers;

static void on_answer(void *userdata, enum credentials_outcome outcome,
                      struct aws_credentials *credentials, const char *error)
{
    struct asker *a = userdata;

    a->n_answers++;
    n_answers++;
    a->slot = NULL;
    snprintf(a->id, sizeof(a->id), "%s", credentials ? credentials->access_key_id : "");
    snprintf(a->error, sizeof(a->error), "%s", error ? error : "");
    a->outcome = outcome;
    assert_true(!credentials == !!error);
    assert_int_equal(outcome == CREDENTIALS_FOUND, !!credentials);
    if (a->then)
        a->then(a);
}

static void submit(struct credentials *c, struct asker *a)
{
    unsigned before = n_answers;

    a->credentials = c;
    assert_int_equal(credentials_get(c, on_answer, a, &a->slot), 0);
    assert_int_equal(n_answers, before);
}

static void ask(struct credentials *c, struct asker *a)
{
    submit(c, a);
    run_until(event, &a->n_answers, a->n_answers + 1);
}

/* Both clocks run on, and the loop sees it. */
static void pass_sec(int64_t sec)
{
    wall_clock_offset_sec += sec;
    boot_clock_offset_sec += sec;
    run_for(event, USEC_PER_MSEC);
}

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
    struct fake fake = {.outcome = CREDENTIALS_FOUND, .id = "AKIA", .is_async = true};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker askers[3] = {};

    assert_null(credentials_slot_cancel(NULL));
    for (int i = 0; i < 3; i++)
        submit(c, &askers[i]);
    credentials_slot_cancel(askers[0].slot);
    run_for(event, 2 * USEC_PER_MSEC);
    credentials_slot_cancel(askers[1].slot);
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

static void keys_expired_newer_ones_are_looked_for_first(void **state)
{
    struct fake fake = {
        .outcome = CREDENTIALS_FOUND, .id = "AKIA1", .lifetime_usec = 30 * USEC_PER_SEC};
    CLEANUP(credentials_free) struct credentials *c = new_chain(&fake, 1);
    struct asker a = {};

    ask(c, &a);
    wall_clock_offset_sec += 29;
    assert_string_equal(credentials_peek(c)->access_key_id, "AKIA1");
    wall_clock_offset_sec += 1;
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
    pass_sec(58);
    assert_non_null(credentials_peek(c));
    assert_int_equal(fake.n_fetches, 2);
    wall_clock_offset_sec -= 100;
    pass_sec(3);
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

static void keys_that_no_header_can_carry_are_told(void **state)
{
    char long_text[16 * 1024];

    assert_null(aws_credentials_flaw("AKIA", "wJalr/+=", NULL));
    assert_null(aws_credentials_flaw("AKIA", "s", "FwoGZXIvYXdzE//////////w=="));
    assert_non_null(strstr(aws_credentials_flaw("AK IA", "s", NULL), "access key id"));
    assert_non_null(strstr(aws_credentials_flaw("AKIA\n", "s", NULL), "access key id"));
    assert_non_null(strstr(aws_credentials_flaw("A", "s\r\nX: y", NULL), "secret access key"));
    assert_non_null(strstr(aws_credentials_flaw("A", "s\xc3\xa4", NULL), "secret access key"));
    assert_non_null(strstr(aws_credentials_flaw("A", "s", "t\nX-Evil: 1"), "session token"));
    assert_non_null(strstr(aws_credentials_flaw("A", "s", "t\x7f"), "session token"));

    memset(long_text, 'a', sizeof(long_text));
    long_text[CREDENTIALS_TOKEN_MAX_BYTES] = '\0';
    assert_null(aws_credentials_flaw("A", "s", long_text));
    long_text[CREDENTIALS_TOKEN_MAX_BYTES] = 'a';
    long_text[CREDENTIALS_TOKEN_MAX_BYTES + 1] = '\0';
    assert_non_null(aws_credentials_flaw("A", "s", long_text));
    assert_non_null(aws_credentials_flaw("A", long_text, NULL));
    assert_non_null(aws_credentials_flaw(long_text, "s", NULL));
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

static int set_up(void **state)
{
    wall_clock_offset_sec = 0;
    return sd_event_new(&event) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    sd_event_unref(event);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

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
        TEST(keys_expired_newer_ones_are_looked_for_first),
        TEST(newer_keys_are_fetched_ahead_of_the_expiry),
        TEST(a_failed_refresh_keeps_the_old_keys_until_they_are_refused),
        TEST(keys_expired_by_our_clock_are_used_and_renewed_once_a_minute),
        TEST(expiry_is_judged_by_the_measured_clock),
        TEST(file_that_cannot_be_used_is_looked_at_once_a_minute),
        TEST(keys_with_a_flaw_are_not_taken),
        TEST(refused_keys_are_looked_up_anew),
        TEST(refused_keys_are_not_kept_by_a_failed_refresh),
        TEST(a_refusal_during_a_walk_is_answered_by_it),
        TEST(keys_that_no_header_can_carry_are_told),
        TEST(renewed_keys_replace_the_old_ones_which_serve_meanwhile),
        TEST(keys_renewed_during_a_walk_another_walk_follows),
    };

    return cmocka_run_group_tests_name("credentials", tests, NULL, NULL);
}
