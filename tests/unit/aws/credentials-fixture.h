/* SPDX-License-Identifier: MIT */
/* For tests of the cache of AWS keys: a sequence of providers that do as they are told, those who
 * ask for keys, and clocks that the tests move. */
#pragma once

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
    bool is_held; /* it answers by fake_answer alone */
    int error;    /* of fetch itself */

    unsigned n_fetches, n_freed;
    sd_event_source *answer;
};

struct fake_provider {
    struct credentials_provider head;
    struct fake *fake;
};

static inline void fake_answer(struct fake *f)
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

static inline int on_fake_answer(sd_event_source *source, uint64_t usec, void *userdata)
{
    fake_answer(userdata);
    return 0;
}

static inline int fake_start(struct credentials_provider *provider)
{
    struct fake *f = ((struct fake_provider *)provider)->fake;

    f->n_fetches++;
    if (f->error < 0)
        return f->error;
    if (f->is_held)
        return 0;
    if (!f->is_async) {
        fake_answer(f);
        return 0;
    }
    return sd_event_add_time_relative(event, &f->answer, CLOCK_BOOTTIME, 10 * USEC_PER_MSEC, 1,
                                      on_fake_answer, f);
}

static inline void fake_stop(struct credentials_provider *provider)
{
    struct fake *f = ((struct fake_provider *)provider)->fake;

    f->answer = sd_event_source_disable_unref(f->answer);
}

static inline void fake_free(struct credentials_provider *provider)
{
    ((struct fake_provider *)provider)->fake->n_freed++;
}

static inline struct credentials_provider *new_fake(struct fake *fake, const char *name)
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

static inline struct credentials *new_chain(struct fake *fakes, size_t n)
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

static inline void on_answer(void *userdata, enum credentials_outcome outcome,
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

static inline void submit(struct credentials *c, struct asker *a)
{
    unsigned before = n_answers;

    a->credentials = c;
    assert_int_equal(credentials_get(c, on_answer, a, &a->slot), 0);
    assert_int_equal(n_answers, before);
}

static inline void ask(struct credentials *c, struct asker *a)
{
    submit(c, a);
    run_until(event, &a->n_answers, a->n_answers + 1);
}

/* Both clocks run on, and the loop sees it. */
static inline void pass_sec(int64_t sec)
{
    wall_clock_offset_sec += sec;
    boot_clock_offset_sec += sec;
    run_for(event, USEC_PER_MSEC);
}

static inline int set_up(void **state)
{
    wall_clock_offset_sec = 0;
    return sd_event_new(&event) < 0 ? -1 : 0;
}

static inline int tear_down(void **state)
{
    sd_event_unref(event);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
