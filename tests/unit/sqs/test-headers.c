/* SPDX-License-Identifier: MIT */
#include "sqs/headers.h"

#include <errno.h>

#include "aws/sigv4.h"
#include "test.h"

#define TIME 1440938160 /* 2015-08-30 12:36:00 UTC */
#define DATE "20150830T123600Z"

struct fixture {
    struct endpoint *endpoint;
    struct sqs_headers *headers;
    struct sqs_request *request;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_int_equal(
        endpoint_resolve(&(struct endpoint_settings){.region = "eu-west-1"}, &f->endpoint, NULL),
        0);
    assert_int_equal(sqs_headers_new(f->endpoint, &f->headers), 0);
    assert_int_equal(sqs_request_get_queue_attributes("https://host/1/q", &f->request), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    sqs_request_free(f->request);
    sqs_headers_free(f->headers);
    endpoint_free(f->endpoint);
    free(f);
    return 0;
}

static struct aws_credentials *keys(const char *token)
{
    struct aws_credentials *c = NULL;

    assert_int_equal(aws_credentials_new("AKIDEXAMPLE", "secret", token, "test", USEC_INFINITY, &c),
                     0);
    return c;
}

/* The Authorization line as the signer makes it of the headers that are to be signed. */
static void assert_signed(struct fixture *f, const char *token, const char *line)
{
    CLEANUP(sigv4_signer_free) struct sigv4_signer *signer = NULL;
    CLEANUP(buffer_done) struct buffer expected = BUFFER_INIT(4096);
    const struct sigv4_header headers[] = {
        {"content-type", "application/x-amz-json-1.0"},
        {"host", "sqs.eu-west-1.amazonaws.com"},
        {"x-amz-date", DATE},
        {"x-amz-target", "AmazonSQS.GetQueueAttributes"},
        {"x-amzn-query-mode", "true"},
        {"x-amz-security-token", token},
    };

    buffer_append_string(&expected, "Authorization: ");
    assert_int_equal(sigv4_signer_new(&signer), 0);
    assert_int_equal(sigv4_authorize(signer,
                                     &(struct sigv4_request){.method = "POST",
                                                             .path = "/",
                                                             .headers = headers,
                                                             .n_headers = token ? 6 : 5,
                                                             .body = f->request->json.data,
                                                             .body_bytes = f->request->json.size},
                                     &(struct sigv4_credentials){"AKIDEXAMPLE", "secret"},
                                     &(struct sigv4_scope){"eu-west-1", "sqs", TIME}, &expected),
                     0);
    assert_string_equal(line, buffer_string(&expected));
}

static void assert_lines(struct fixture *f, const char *token)
{
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = keys(token);
    const char *const *lines = NULL;
    size_t n = 6;

    assert_int_equal(sqs_headers_make(f->headers, f->request, c, TIME, &lines), 0);
    assert_string_equal(lines[0], "Host: sqs.eu-west-1.amazonaws.com");
    assert_string_equal(lines[1], "Content-Type: application/x-amz-json-1.0");
    assert_string_equal(lines[2], "Accept: application/json");
    assert_string_equal(lines[3], "x-amzn-query-mode: true");
    assert_string_equal(lines[4], "X-Amz-Target: AmazonSQS.GetQueueAttributes");
    assert_string_equal(lines[5], "X-Amz-Date: " DATE);
    if (token) {
        assert_memory_equal(lines[n], "X-Amz-Security-Token: ", 22);
        assert_string_equal(lines[n++] + 22, token);
    }
    assert_signed(f, token, lines[n++]);
    assert_null(lines[n]);
}

static void headers_of_a_request_leave_nothing_in_the_next(void **state)
{
    assert_lines(*state, NULL);
    assert_lines(*state, "a token, and another");
    assert_lines(*state, "a");
    assert_lines(*state, NULL);
}

static void token_too_long_is_refused_and_the_next_goes(void **state)
{
    struct fixture *f = *state;
    CLEANUP(free) char *token = calloc(1, 20000);
    CLEANUP(aws_credentials_unref) struct aws_credentials *c = NULL;
    const char *const *lines = NULL;

    assert_non_null(token);
    memset(token, 'x', 19999);
    c = keys(token);
    assert_int_equal(sqs_headers_make(f->headers, f->request, c, TIME, &lines), -E2BIG);
    assert_null(lines);
    assert_lines(f, "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(headers_of_a_request_leave_nothing_in_the_next, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(token_too_long_is_refused_and_the_next_goes, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("sqs-headers", tests, NULL, NULL);
}
