/* SPDX-License-Identifier: MIT */
/* Asks a credential provider that answers at once, and keeps its answer. No text may contain a
 * secret. */
#pragma once

#include "aws/credentials-provider.h"
#include "test.h"

#include <stdio.h>

/* In every value that must not come out. */
#define SECRET "wJalrSECRET"

struct answer {
    unsigned n;
    enum credentials_outcome outcome;
    struct aws_credentials *credentials;
    char text[4096];
};

static void on_answer(void *userdata, enum credentials_outcome outcome,
                      struct aws_credentials *credentials, const char *text)
{
    struct answer *a = userdata;

    a->n++;
    a->outcome = outcome;
    a->credentials = aws_credentials_unref(a->credentials);
    assert_true((outcome == CREDENTIALS_FOUND) == !!credentials);
    assert_true((outcome == CREDENTIALS_FOUND) == !text);
    if (credentials) {
        a->credentials = aws_credentials_ref(credentials);
        assert_null(strstr(credentials->source, SECRET));
    }
    snprintf(a->text, sizeof(a->text), "%s", text ? text : "");
    assert_null(strstr(a->text, SECRET));
    assert_null(strchr(a->text, '\n'));
}

static void fetch(struct credentials_provider *p, struct answer *a)
{
    unsigned before = a->n;

    credentials_provider_fetch(p, on_answer, a);
    assert_int_equal(a->n, before + 1);
}

static void answer_done(struct answer *a)
{
    a->credentials = aws_credentials_unref(a->credentials);
}
