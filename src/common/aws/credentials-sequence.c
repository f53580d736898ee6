/* SPDX-License-Identifier: MIT */
/* See credentials-sequence.h. */
#include "aws/credentials-sequence.h"

#include <errno.h>

enum { TEXT_MAX_BYTES = 8192 };

struct sequence {
    struct credentials_provider head;
    struct credentials_provider *providers[CREDENTIALS_PROVIDERS_MAX];
    size_t n;

    /* Of the fetch on its way. */
    size_t step;
    bool is_any_unanswered;
    struct buffer looked_at;
    credentials_provider_done_fn done;
    void *userdata;
};

static void ask(struct sequence *s);

static void note(struct sequence *s, const char *text)
{
    if (s->looked_at.size > 0)
        buffer_append_string(&s->looked_at, "; ");
    buffer_printf(&s->looked_at, "%s: %s", s->providers[s->step]->name, text);
}

static void on_done(void *userdata, enum credentials_outcome outcome,
                    struct aws_credentials *credentials, const char *text)
{
    struct sequence *s = userdata;

    switch (outcome) {
    case CREDENTIALS_FOUND:
        s->done(s->userdata, outcome, credentials, NULL);
        break;
    case CREDENTIALS_NO_ANSWER_YET:
    case CREDENTIALS_NOT_SET_UP:
        s->is_any_unanswered = s->is_any_unanswered || outcome == CREDENTIALS_NO_ANSWER_YET;
        note(s, text);
        s->step++;
        ask(s);
        break;
    case CREDENTIALS_FAILED:
    case CREDENTIALS_UNREACHABLE:
    case CREDENTIALS_INTERCEPTED:
    case CREDENTIALS_METADATA_INTERCEPTED:
        /* What else was looked at would only hide the reason. */
        buffer_reset(&s->looked_at);
        note(s, text);
        s->done(s->userdata, outcome, NULL, buffer_string(&s->looked_at));
        break;
    }
}

/* Asks the provider whose turn it is. Recursion through on_done ends at the last one. */
static void ask(struct sequence *s)
{
    struct credentials_provider *p;
    int r;

    if (s->step == s->n) {
        s->done(s->userdata,
                s->is_any_unanswered ? CREDENTIALS_NO_ANSWER_YET : CREDENTIALS_NOT_SET_UP, NULL,
                buffer_string(&s->looked_at));
        return;
    }
    p = s->providers[s->step];
    r = p->ops->fetch(p, on_done, s);
    if (r < 0)
        on_done(s, credentials_outcome_of_errno(r), NULL, strerror(-r));
}

static int fetch(struct credentials_provider *provider, credentials_provider_done_fn done,
                 void *userdata)
{
    struct sequence *s = (struct sequence *)provider;

    s->done = done;
    s->userdata = userdata;
    s->step = 0;
    s->is_any_unanswered = false;
    buffer_reset(&s->looked_at);
    ask(s);
    return 0;
}

static void provider_free(struct credentials_provider *provider)
{
    struct sequence *s = (struct sequence *)provider;

    for (size_t i = 0; i < s->n; i++)
        credentials_provider_free(s->providers[i]);
    buffer_done(&s->looked_at);
    free(s);
}

static const struct credentials_provider_ops ops = {.fetch = fetch, .free = provider_free};

int credentials_sequence_new(const char *name, struct credentials_provider **providers, size_t n,
                             struct credentials_provider **ret)
{
    struct sequence *s = n <= CREDENTIALS_PROVIDERS_MAX ? calloc(1, sizeof(*s)) : NULL;

    if (!s) {
        for (size_t i = 0; i < n; i++)
            credentials_provider_free(providers[i]);
        return n <= CREDENTIALS_PROVIDERS_MAX ? -ENOMEM : -E2BIG;
    }
    s->head.ops = &ops;
    s->head.name = name;
    s->looked_at = BUFFER_INIT(TEXT_MAX_BYTES);
    s->n = n;
    memcpy(s->providers, providers, n * sizeof(*providers));
    *ret = &s->head;
    return 0;
}
