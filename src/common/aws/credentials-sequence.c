/* SPDX-License-Identifier: MIT */
#include "aws/credentials-sequence.h"

#include <errno.h>

struct sequence {
    struct credentials_provider head;
    struct credentials_provider *providers[CREDENTIALS_PROVIDERS_MAX];
    size_t n;
    struct credentials_provider *last_found; /* the one that found keys last; NULL: none did */

    /* State of the current fetch. */
    size_t step;
    bool is_any_unanswered;
    struct buffer looked_at;
};

static void ask(struct sequence *s);

static void note(struct sequence *s, const char *text)
{
    if (s->looked_at.size > 0)
        buffer_append_string(&s->looked_at, "; ");
    buffer_printf(&s->looked_at, "%s: %s", s->providers[s->step]->name, text);
}

/* Answers with the text of this step alone: the other providers' texts would hide the reason. */
static void fail(struct sequence *s, enum credentials_outcome outcome, const char *text)
{
    buffer_reset(&s->looked_at);
    note(s, text);
    credentials_provider_fail(&s->head, outcome, buffer_string(&s->looked_at));
}

static void ask_next(struct sequence *s, const char *text)
{
    note(s, text);
    s->step++;
    ask(s);
}

static void on_done(void *userdata, enum credentials_outcome outcome,
                    struct aws_credentials *credentials, const char *text)
{
    struct sequence *s = userdata;

    switch (outcome) {
    case CREDENTIALS_FOUND:
        s->last_found = s->providers[s->step];
        credentials_provider_found(&s->head, credentials);
        break;
    case CREDENTIALS_NOT_SET_UP:
        ask_next(s, text);
        break;
    case CREDENTIALS_NO_ANSWER_YET:
        if (s->providers[s->step] == s->last_found) {
            fail(s, CREDENTIALS_UNREACHABLE, text);
            break;
        }
        s->is_any_unanswered = true;
        ask_next(s, text);
        break;
    case CREDENTIALS_FAILED:
    case CREDENTIALS_UNREACHABLE:
    case CREDENTIALS_SHORTAGE:
    case CREDENTIALS_INTERCEPTED:
    case CREDENTIALS_METADATA_INTERCEPTED:
        fail(s, outcome, text);
        break;
    }
}

/* Asks the next provider. The recursion through on_done ends at the last one. */
static void ask(struct sequence *s)
{
    if (s->step < s->n)
        credentials_provider_fetch(s->providers[s->step], on_done, s);
    else
        credentials_provider_fail(
            &s->head, s->is_any_unanswered ? CREDENTIALS_NO_ANSWER_YET : CREDENTIALS_NOT_SET_UP,
            buffer_string(&s->looked_at));
}

static int start(struct credentials_provider *provider)
{
    struct sequence *s = (struct sequence *)provider;

    s->step = 0;
    s->is_any_unanswered = false;
    buffer_reset(&s->looked_at);
    ask(s);
    return 0;
}

static void stop(struct credentials_provider *provider)
{
    struct sequence *s = (struct sequence *)provider;

    if (s->step < s->n)
        credentials_provider_cancel(s->providers[s->step]);
}

static void sequence_free(struct credentials_provider *provider)
{
    struct sequence *s = (struct sequence *)provider;

    for (size_t i = 0; i < s->n; i++)
        credentials_provider_free(s->providers[i]);
    buffer_done(&s->looked_at);
}

static const struct credentials_provider_ops ops = {
    .start = start,
    .stop = stop,
    .free = sequence_free,
};

int credentials_sequence_new(const char *name, struct credentials_provider **providers, size_t n,
                             struct credentials_provider **ret)
{
    struct credentials_provider *provider;
    struct sequence *s;
    int r = n > CREDENTIALS_PROVIDERS_MAX
                ? -E2BIG
                : credentials_provider_new(sizeof(*s), &ops, name, NULL, &provider);

    if (r < 0) {
        for (size_t i = 0; i < n; i++)
            credentials_provider_free(providers[i]);
        return r;
    }
    s = (struct sequence *)provider;
    s->looked_at = BUFFER_INIT(CREDENTIALS_ANSWER_MAX_BYTES);
    s->n = n;
    memcpy(s->providers, providers, n * sizeof(*providers));
    *ret = provider;
    return 0;
}
