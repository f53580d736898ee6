/* SPDX-License-Identifier: MIT */
/* The reader of the instance metadata service. */
#include "ahead-clock.h"
#include "imds-fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

/* The coarsest timer that was made. */
static uint64_t coarsest_usec;

/* Overrides libsystemd's. An accuracy of 0 stands for 250 ms there. */
int sd_event_add_time(sd_event *event, sd_event_source **ret, clockid_t clock, uint64_t usec,
                      uint64_t accuracy_usec, sd_event_time_handler_t callback, void *userdata)
{
    __typeof__(sd_event_add_time) *real =
        (__typeof__(sd_event_add_time) *)dlsym(RTLD_NEXT, "sd_event_add_time");

    if (usec == USEC_INFINITY)
        coarsest_usec = MAX(coarsest_usec, accuracy_usec > 0 ? accuracy_usec : 250 * USEC_PER_MSEC);
    return real(event, ret, clock, usec, accuracy_usec, callback, userdata);
}

/* How many connections may still be opened; -1: any number. Overrides libc's. */
static int connections_left = -1;

int socket(int domain, int type, int protocol)
{
    if (connections_left == 0) {
        errno = EMFILE;
        return -1;
    }
    if (connections_left > 0)
        connections_left--;
    return (int)syscall(SYS_socket, domain, type, protocol);
}

#define PATH "latest/meta-data/thing"
#define CLOSE "Connection: close\r\n"

/* A read's end, copied. */
struct outcome {
    unsigned n_done;
    enum imds_outcome outcome;
    char *body;
    size_t body_bytes;
    char text[1024];
    uint64_t start_usec, end_usec;
};

static void outcome_reset(struct outcome *o)
{
    free(o->body);
    *o = (struct outcome){};
}

static inline void outcome_reset_cleanup(struct outcome *o)
{
    outcome_reset(o);
}

static void on_done(void *userdata, enum imds_outcome outcome, const char *body, size_t body_bytes,
                    const char *text)
{
    struct outcome *o = userdata;

    o->n_done++;
    o->outcome = outcome;
    o->end_usec = boot_clock_usec();
    o->body = strndup(body, body_bytes);
    o->body_bytes = body_bytes;
    assert_true((outcome == IMDS_OK) == (text[0] == '\0'));
    snprintf(o->text, sizeof(o->text), "%s", text);
}

static struct imds *new_session(struct fixture *f, struct test_server *server)
{
    struct imds *imds = NULL;
    char *error = NULL;

    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT",
           server ? test_server_url(server) : "http://127.0.0.1:1/", 1);
    assert_int_equal(imds_new(f->event, f->http, NULL, &imds, &error), 0);
    assert_null(error);
    return imds;
}

static void read_thing(struct fixture *f, struct imds *imds, struct outcome *o)
{
    outcome_reset(o);
    assert_int_equal(imds_get(imds, PATH, on_done, o), 0);
    assert_int_equal(o->n_done, 0);
    run_until(f->event, &o->n_done, 1);
    run_for(f->event, 0);
    assert_int_equal(o->n_done, 1);
}

static void assert_header(struct test_server *server, unsigned i, const char *name,
                          const char *wanted)
{
    CLEANUP(free) char *value = test_server_header(server, i, name);

    if (wanted)
        assert_string_equal(value ? value : "(none)", wanted);
    else
        assert_null(value);
}

static void session_asks_for_one_token_and_reads_with_it(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = TOKEN}, {.body = "one"}, {.body = "two"});
    CLEANUP(imds_free) struct imds *imds = new_session(f, server);
    CLEANUP(outcome_reset) struct outcome o = {};

    read_thing(f, imds, &o);
    assert_int_equal(o.outcome, IMDS_OK);
    assert_string_equal(o.body, "one");
    read_thing(f, imds, &o);
    assert_int_equal(o.outcome, IMDS_OK);
    assert_string_equal(o.body, "two");
    assert_int_equal(test_server_requests(server), 3);
    assert_request(server, 0, "PUT /latest/api/token HTTP/1.1\r\n");
    assert_header(server, 0, "X-aws-ec2-metadata-token-ttl-seconds", "21600");
    for (unsigned i = 1; i < 3; i++) {
        assert_request(server, i, "GET /" PATH " HTTP/1.1\r\n");
        assert_header(server, i, "X-aws-ec2-metadata-token", TOKEN);
        assert_header(server, i, "X-aws-ec2-metadata-token-ttl-seconds", NULL);
    }
}

enum { REPLIES_MAX = 4 };

static const struct read_case {
    const char *name;
    struct test_reply replies[REPLIES_MAX];
    bool is_v1_disabled;
    unsigned attempts; /* 0: as it is by default */
    enum imds_outcome outcome;
    const char *text; /* for IMDS_OK, the body */
    unsigned n_requests;
    uint64_t at_least_usec; /* it takes so long */
} read_cases[] = {
    {"token of each printable end", {{.body = "!~"}, {.body = "v"}}, .text = "v", .n_requests = 2},
    {"403 to the token", {{.status = 403}, {.body = "v"}}, .text = "v", .n_requests = 2},
    {"404 to the token", {{.status = 404}, {.body = "v"}}, .text = "v", .n_requests = 2},
    {"405 to the token", {{.status = 405}, {.body = "v"}}, .text = "v", .n_requests = 2},
    {"405, version 1 off",
     {{.status = 405}, {.body = "v"}},
     .is_v1_disabled = true,
     .outcome = IMDS_FAILED,
     .text = "asked for an IMDSv2 token: it answered HTTP status 405, and IMDSv1 is switched off "
             "(AWS_EC2_METADATA_V1_DISABLED)",
     .n_requests = 1},
    {"400 to the token",
     {{.status = 400}},
     .outcome = IMDS_REFUSED,
     .text = "asked for an IMDSv2 token: it answered HTTP status 400",
     .n_requests = 1},
    {"418 to the token",
     {{.status = 418}},
     .outcome = IMDS_FAILED,
     .text = "status 418",
     .n_requests = 1},
    {"503 to the token",
     {{.status = 503}},
     .outcome = IMDS_UNREACHABLE,
     .text = "status 503",
     .n_requests = 1},
    {"token is HTML",
     {{.body = "<html>sign in"}},
     .outcome = IMDS_INTERCEPTED,
     .text = "is not the metadata service: HTTP status 200 with HTML",
     .n_requests = 1},
    {"redirect of the token",
     {{.status = 302, .headers = "Location: http://portal/\r\n"}},
     .outcome = IMDS_INTERCEPTED,
     .text = "HTTP status 302",
     .n_requests = 1},
    {"empty token",
     {{.body = ""}},
     .outcome = IMDS_FAILED,
     .text = "its reply is not a token (0 bytes)",
     .n_requests = 1},
    {"token with a blank",
     {{.body = "a b"}},
     .outcome = IMDS_FAILED,
     .text = "its reply is not a token (3 bytes)",
     .n_requests = 1},
    {"token with a line",
     {{.body = "a\r\nb: c"}},
     .outcome = IMDS_FAILED,
     .text = "its reply is not a token (7 bytes)",
     .n_requests = 1},
    {"token outside ASCII",
     {{.body = "a\x7f"}},
     .outcome = IMDS_FAILED,
     .text = "its reply is not a token (2 bytes)",
     .n_requests = 1},
    {"token larger than a header",
     {{.filler_bytes = 5000}},
     .outcome = IMDS_FAILED,
     .text = "its reply is not a token (5000 bytes)",
     .n_requests = 1},
    {"endless token",
     {{.filler_bytes = IMDS_REPLY_MAX_BYTES + 1}},
     .outcome = IMDS_FAILED,
     .text = "IMDSv2 token: ",
     .n_requests = 1},
    {"connection closed on the token",
     {{.how = REPLY_CLOSE}},
     .outcome = IMDS_UNREACHABLE,
     .text = "IMDSv2 token: ",
     .n_requests = 1},
    {"no token in time", {{.how = REPLY_STALL}, {.body = "v"}}, .text = "v", .n_requests = 2},
    {"no token in time, version 1 off",
     {{.how = REPLY_STALL}},
     .is_v1_disabled = true,
     .outcome = IMDS_NO_ANSWER,
     .text = "and IMDSv1 is switched off",
     .n_requests = 1},
    {"no token in time, and none needed",
     {{.how = REPLY_STALL}, {.status = 401}},
     .outcome = IMDS_FAILED,
     .text = "it requires IMDSv2, but no token came in time: in a container, the instance's "
             "HttpPutResponseHopLimit must be 2 or more",
     .n_requests = 2},
    {"version 2 wanted and refused",
     {{.status = 404}, {.status = 401}},
     .outcome = IMDS_FAILED,
     .text = "it requires IMDSv2, but refused a token",
     .n_requests = 2},
    {"401 with a token",
     {{.body = TOKEN}, {.status = 401}},
     .outcome = IMDS_FAILED,
     .text = "it answered HTTP status 401",
     .n_requests = 2},
    {"403 with a token",
     {{.body = TOKEN}, {.status = 403}},
     .outcome = IMDS_FAILED,
     .text = "it answered HTTP status 403",
     .n_requests = 2},
    {"404",
     {{.body = TOKEN}, {.status = 404}},
     .outcome = IMDS_NOT_FOUND,
     .text = "it answered HTTP status 404",
     .n_requests = 2},
    {"429",
     {{.body = TOKEN}, {.status = 429}},
     .outcome = IMDS_UNREACHABLE,
     .text = "it answered HTTP status 429",
     .n_requests = 2},
    {"value is HTML",
     {{.body = TOKEN}, {.body = "<!DOCTYPE html>"}},
     .outcome = IMDS_INTERCEPTED,
     .text = "with HTML",
     .n_requests = 2},
    {"largest value", {{.body = TOKEN}, {.filler_bytes = IMDS_REPLY_MAX_BYTES}}, .n_requests = 2},
    {"value too large",
     {{.body = TOKEN}, {.filler_bytes = IMDS_REPLY_MAX_BYTES + 1}},
     .outcome = IMDS_FAILED,
     .text = PATH ": ",
     .n_requests = 2},
    {"value cut off",
     {{.body = TOKEN}, {.body = "value", .how = REPLY_CUT_OFF}},
     .outcome = IMDS_UNREACHABLE,
     .text = PATH ": ",
     .n_requests = 2},
    {"value cut off by version 1",
     {{.status = 404}, {.body = "value", .how = REPLY_CUT_OFF}},
     .outcome = IMDS_UNREACHABLE,
     .text = PATH ": ",
     .n_requests = 2},
    {"no value in time",
     {{.body = TOKEN}, {.how = REPLY_STALL}},
     .outcome = IMDS_UNREACHABLE,
     .text = PATH ": ",
     .n_requests = 2},
    {"no value in time by version 1",
     {{.status = 404}, {.how = REPLY_STALL}},
     .outcome = IMDS_NO_ANSWER,
     .text = PATH ": ",
     .n_requests = 2},
    {"each in two attempts",
     {{.status = 500}, {.body = TOKEN}, {.status = 500}, {.body = "v"}},
     .attempts = 2,
     .text = "v",
     .n_requests = 4,
     .at_least_usec = 2 * IMDS_PAUSE_USEC},
    {"no token in two attempts",
     {{.status = 500}, {.status = 500}},
     .attempts = 2,
     .outcome = IMDS_UNREACHABLE,
     .text = "status 500",
     .n_requests = 2,
     .at_least_usec = IMDS_PAUSE_USEC},
    {"no value in two attempts",
     {{.body = TOKEN}, {.status = 500}, {.status = 500}},
     .attempts = 2,
     .outcome = IMDS_UNREACHABLE,
     .text = "status 500",
     .n_requests = 3,
     .at_least_usec = IMDS_PAUSE_USEC},
};

/* A read of one of the cases. */
struct read {
    const struct read_case *c;
    struct test_server *server;
    struct imds *imds;
    struct outcome o;
};

/* The request whose time is to be over, from 1 on; 0: none. */
static unsigned stalled_request(const struct read_case *c)
{
    for (unsigned i = 0; i < REPLIES_MAX; i++)
        if (c->replies[i].how == REPLY_STALL)
            return i + 1;
    return 0;
}

static void start_read(struct fixture *f, struct read *r, const struct read_case *c)
{
    r->c = c;
    r->server = test_server_new(c->replies, REPLIES_MAX, NULL);
    setenv("AWS_EC2_METADATA_V1_DISABLED", c->is_v1_disabled ? "true" : "false", 1);
    setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", c->attempts == 2 ? "2" : "1", 1);
    setenv("AWS_METADATA_SERVICE_TIMEOUT", "60", 1);
    r->imds = new_session(f, r->server);
    r->o.start_usec = boot_clock_usec();
    assert_int_equal(imds_get(r->imds, PATH, on_done, &r->o), 0);
}

static void assert_read(struct read *r)
{
    const struct read_case *c = r->c;
    unsigned n_requests = test_server_requests(r->server);

    assert_int_equal(r->o.n_done, 1);
    if (r->o.outcome != c->outcome || n_requests != c->n_requests)
        fail_msg("%s: outcome %d after %u requests: %s", c->name, r->o.outcome, n_requests,
                 r->o.text);
    if (!c->text)
        assert_int_equal(r->o.body_bytes, IMDS_REPLY_MAX_BYTES);
    else if (c->outcome == IMDS_OK)
        assert_string_equal(r->o.body, c->text);
    else
        assert_has(r->o.text, c->text);
    if (n_requests == 2 && c->replies[0].status != 0)
        assert_header(r->server, 1, "X-aws-ec2-metadata-token", NULL);
    assert_true(r->o.end_usec - r->o.start_usec >= c->at_least_usec);
}

/* All at once: some wait for a time-out, which comes when all of these are under way and the others
 * have ended. */
static void each_answer_has_its_outcome(void **state)
{
    struct fixture *f = *state;
    struct read reads[ARRAY_SIZE(read_cases)] = {};

    for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
        start_read(f, &reads[i], &read_cases[i]);
    for (size_t i = 0; i < ARRAY_SIZE(reads); i++) {
        unsigned n = stalled_request(reads[i].c);

        if (n > 0)
            test_server_run_until_requests(reads[i].server, f->event, n);
        else
            run_until(f->event, &reads[i].o.n_done, 1);
    }
    boot_ahead_usec += 61 * USEC_PER_SEC;
    for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
        run_until(f->event, &reads[i].o.n_done, 1);
    for (size_t i = 0; i < ARRAY_SIZE(reads); i++) {
        assert_read(&reads[i]);
        imds_free(reads[i].imds);
        test_server_free(reads[i].server);
        outcome_reset(&reads[i].o);
    }
}

static void where_nobody_listens_it_is_absent(void **state)
{
    struct fixture *f = *state;
    CLEANUP(imds_free) struct imds *imds = new_session(f, NULL);
    CLEANUP(outcome_reset) struct outcome o = {};

    read_thing(f, imds, &o);
    assert_int_equal(o.outcome, IMDS_NO_ANSWER);
    assert_has(o.text, PATH ": asked for an IMDSv2 token: ");
}

/* Nobody was asked: that says nothing of who is there. */
static void socket_cannot_be_opened_outcome_is_shortage(void **state)
{
    static const struct {
        struct test_reply reply;
        int connections;
        const char *text;
    } rows[] = {
        {{.body = TOKEN}, 0, PATH ": asked for an IMDSv2 token: no socket can be opened"},
        {{.status = 404, .headers = CLOSE, .how = REPLY_AND_CLOSE},
         1,
         PATH ": no socket can be opened"},
        {{.body = TOKEN, .headers = CLOSE, .how = REPLY_AND_CLOSE},
         1,
         PATH ": no socket can be opened"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(test_server_free)
        struct test_server *server = TEST_SERVER(rows[i].reply, {.body = "v"});
        CLEANUP(imds_free) struct imds *imds = new_session(f, server);
        CLEANUP(outcome_reset) struct outcome o = {};

        connections_left = rows[i].connections;
        read_thing(f, imds, &o);
        connections_left = -1;
        if (o.outcome != IMDS_SHORTAGE)
            fail_msg("row %zu: outcome %d: %s", i, o.outcome, o.text);
        assert_has(o.text, rows[i].text);
    }
}

/* Ten attempts of a minute each would outlast the watchdog of a start. */
static void session_ends_in_its_time_whatever_the_settings(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.body = TOKEN}, {.how = REPLY_STALL});
    CLEANUP(imds_free) struct imds *imds = NULL;
    CLEANUP(outcome_reset) struct outcome o = {};
    uint64_t second_usec;

    setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "10", 1);
    setenv("AWS_METADATA_SERVICE_TIMEOUT", "60", 1);
    imds = new_session(f, server);
    assert_int_equal(imds_get(imds, PATH, on_done, &o), 0);
    test_server_run_until_requests(server, f->event, 2);
    boot_ahead_usec += 70 * USEC_PER_SEC;
    test_server_run_until_requests(server, f->event, 3);
    assert_int_equal(o.n_done, 0);
    /* The second request has what is left of the session, and there is no third. */
    second_usec = boot_clock_usec();
    boot_ahead_usec += 51 * USEC_PER_SEC;
    run_until(f->event, &o.n_done, 1);
    assert_true(o.end_usec - second_usec < 60 * USEC_PER_SEC);
    assert_int_equal(o.outcome, IMDS_UNREACHABLE);
    assert_int_equal(test_server_requests(server), 3);
}

/* A pause of a second may be longer by a hundredth, not by a quarter. */
static void pause_between_attempts_is_accurate(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free)
    struct test_server *server = TEST_SERVER({.status = 500}, {.body = TOKEN}, {.body = "v"});
    CLEANUP(imds_free) struct imds *imds = NULL;
    CLEANUP(outcome_reset) struct outcome o = {};

    setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "2", 1);
    imds = new_session(f, server);
    coarsest_usec = 0;
    read_thing(f, imds, &o);
    assert_int_equal(o.outcome, IMDS_OK);
    assert_in_range(coarsest_usec, 1, IMDS_PAUSE_USEC / 100);
}

/* In the pause after a request, and while the second is under way. */
static void a_session_that_is_freed_says_nothing_more(void **state)
{
    struct fixture *f = *state;
    CLEANUP(test_server_free)
    struct test_server *pausing = TEST_SERVER({.status = 500}, {.body = TOKEN});
    CLEANUP(test_server_free)
    struct test_server *held = TEST_SERVER({.status = 500}, {.body = TOKEN, .is_held = true});
    CLEANUP(outcome_reset) struct outcome o = {};
    struct imds *in_pause, *under_way;
    bool was_in_pause;
    uint64_t start;

    setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "2", 1);
    under_way = new_session(f, held);
    assert_int_equal(imds_get(under_way, PATH, on_done, &o), 0);
    test_server_run_until_requests(held, f->event, 1);
    in_pause = new_session(f, pausing);
    assert_int_equal(imds_get(in_pause, PATH, on_done, &o), 0);
    start = boot_clock_usec();
    test_server_run_until_requests(pausing, f->event, 1);
    run_for(f->event, 50 * USEC_PER_MSEC);
    assert_null(imds_free(in_pause));
    was_in_pause = boot_clock_usec() - start < IMDS_PAUSE_USEC; /* on a slow machine it was not */
    test_server_run_until_requests(held, f->event, 2);
    assert_null(imds_free(under_way));
    test_server_release(held);
    run_for(f->event, 150 * USEC_PER_MSEC);
    assert_int_equal(o.n_done, 0);
    if (was_in_pause)
        assert_int_equal(test_server_requests(pausing), 1);
    assert_null(imds_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(session_asks_for_one_token_and_reads_with_it),
        TEST(each_answer_has_its_outcome),
        TEST(where_nobody_listens_it_is_absent),
        TEST(socket_cannot_be_opened_outcome_is_shortage),
        TEST(session_ends_in_its_time_whatever_the_settings),
        TEST(pause_between_attempts_is_accurate),
        TEST(a_session_that_is_freed_says_nothing_more),
    };

    return cmocka_run_group_tests(tests, aws_home_make, aws_home_remove);
}
