/* SPDX-License-Identifier: MIT */
/* What the tests of STS's calls share: a client, keys, replies, and a call's end. To be included by
 * one file of a test. */
#pragma once

#include "aws/sts.h"
#include "test-loop.h"
#include "test-server.h"

#include <stdio.h>

#define ROLE "arn:aws:iam::123456789012:role/reader"
#define REPLY(action, expiration)                                                                  \
    "<" action "Response><" action "Result><Credentials>"                                          \
    "<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey>"            \
    "<SessionToken>role-token</SessionToken><Expiration>" expiration "</Expiration>"               \
    "</Credentials></" action "Result></" action "Response>"
#define GOOD                                                                                       \
    {                                                                                              \
        .body = REPLY("AssumeRole", "2090-01-01T00:00:00Z")                                        \
    }
#define ERROR(code, message)                                                                       \
    "<ErrorResponse><Error><Type>Sender</Type><Code>" code "</Code><Message>" message              \
    "</Message></Error><RequestId>r</RequestId></ErrorResponse>"

struct fixture {
    sd_event *event;
    struct http_client *http;
    struct aws_credentials *keys, *keys_with_token;
};

/* A call's end, copied. */
struct outcome {
    unsigned n_done;
    enum credentials_outcome outcome;
    char error[2048];
    struct aws_credentials *credentials;
    struct sts_call *call;
};

static struct clock_skew skew;

static inline int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){};
    if (sd_event_new(&f.event) < 0 ||
        http_client_new(f.event,
                        &(struct http_client_options){.user_agent = "test/1",
                                                      .connect_timeout_usec = TEST_PATIENCE_USEC},
                        &f.http) < 0 ||
        aws_credentials_new("AKIDBASE", "base-secret", NULL, "test", USEC_INFINITY, &f.keys) < 0 ||
        aws_credentials_new("AKIDBASE", "base-secret", "base/token+=", "test", USEC_INFINITY,
                            &f.keys_with_token) < 0)
        return -1;
    *state = &f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    http_client_free(f->http);
    aws_credentials_unref(f->keys);
    aws_credentials_unref(f->keys_with_token);
    sd_event_unref(f->event);
    return 0;
}

static inline void on_done(void *userdata, enum credentials_outcome outcome,
                           struct aws_credentials *credentials, const char *error)
{
    struct outcome *o = userdata;

    o->n_done++;
    o->call = NULL;
    o->outcome = outcome;
    assert_int_equal(outcome == CREDENTIALS_FOUND, credentials != NULL);
    assert_true((credentials != NULL) != (error != NULL));
    if (credentials)
        o->credentials = aws_credentials_ref(credentials);
    else
        snprintf(o->error, sizeof(o->error), "%s", error);
}

static inline void outcome_done(struct outcome *o)
{
    aws_credentials_unref(o->credentials);
}

static inline void outcome_done_cleanup(struct outcome *o)
{
    outcome_done(o);
}

static inline struct sts *new_sts(struct fixture *f, const char *url)
{
    struct sts *sts = NULL;

    skew = (struct clock_skew){};
    assert_int_equal(
        sts_new(f->event, f->http,
                &(struct sts_options){.skew = &skew, .region = "eu-west-1", .endpoint_url = url},
                &sts),
        0);
    return sts;
}

static inline struct sts_request request_of(struct aws_credentials *keys)
{
    return (struct sts_request){
        .role_arn = ROLE,
        .role_session_name = "me@here",
        .credentials = keys,
        .source = "role reader",
    };
}

/* Starts the call and waits for its end. */
static inline void ask(struct fixture *f, struct sts *sts, const struct sts_request *request,
                       struct outcome *o)
{
    assert_int_equal(sts_assume_role(sts, request, on_done, o, &o->call), 0);
    assert_int_equal(o->n_done, 0);
    run_until(f->event, &o->n_done, 1);
    assert_int_equal(o->n_done, 1);
}

static inline void assert_has(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("no \"%s\" in \"%s\"", words, text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
