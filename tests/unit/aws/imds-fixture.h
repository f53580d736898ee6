/* SPDX-License-Identifier: MIT */
/* For tests that read from an instance metadata service: an event loop, and an HTTP client. */
#pragma once

#include "aws/imds.h"
#include "test-aws-home.h"
#include "test-server.h"

#define TOKEN "AQAEAToken=="

struct fixture {
    sd_event *event;
    struct http_client *http;
};

static inline int set_up(void **state)
{
    static struct fixture f;

    f = (struct fixture){};
    aws_home_reset();
    unsetenv("AWS_EC2_METADATA_DISABLED");
    setenv("AWS_METADATA_SERVICE_TIMEOUT", "50", 1);
    if (sd_event_new(&f.event) < 0 ||
        http_client_new(f.event,
                        &(struct http_client_options){.user_agent = "test/1",
                                                      .connect_timeout_usec = TEST_PATIENCE_USEC},
                        &f.http) < 0)
        return -1;
    *state = &f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    http_client_free(f->http);
    sd_event_unref(f->event);
    return 0;
}

static inline void assert_has(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("no \"%s\" in \"%s\"", words, text);
}

static inline void assert_request(struct test_server *server, unsigned i, const char *line)
{
    const char *head = test_server_head(server, i);

    if (strncmp(head, line, strlen(line)) != 0)
        fail_msg("request %u is no %s: %s", i, line, head);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
