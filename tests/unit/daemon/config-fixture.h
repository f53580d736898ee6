/* SPDX-License-Identifier: MIT */
/* What the tests of the configuration share. To be included by one file of a test. */
#pragma once

#include "daemon/config-table.h"
#include "test.h"
#include "util/encode.h"
#include <stdio.h>
#include <syslog.h>

#define QUEUE "queue_url = \"https://sqs.eu-west-1.amazonaws.com/1/q\";"
#define AWS "aws: { " QUEUE " };"

static inline struct config *parse(const char *text)
{
    CLEANUP(free) char *error = NULL;
    struct config *config = NULL;
    int r = config_parse("x.conf", text, strlen(text), &config, &error);

    if (r != 0)
        print_error("%s\n", error ? error : "(no error text)");
    assert_int_equal(r, 0);
    assert_null(error);
    return config;
}

static inline void assert_refused_sized(const char *text, size_t size, const char *expected)
{
    CLEANUP(free) char *error = NULL;
    struct config *config = (struct config *)&error;

    assert_int_equal(config_parse("x.conf", text, size, &config, &error), CONFIG_E_INVALID);
    assert_ptr_equal(config, &error);
    assert_non_null(error);
    if (!strstr(error, expected)) {
        print_error("expected: %s\n", expected);
        assert_string_equal(error, expected);
    }
    assert_null(strchr(error, '\n'));
    assert_int_equal(config_parse("x.conf", text, size, &config, NULL), CONFIG_E_INVALID);
}

static inline void assert_refused(const char *text, const char *expected)
{
    assert_refused_sized(text, strlen(text), expected);
}
