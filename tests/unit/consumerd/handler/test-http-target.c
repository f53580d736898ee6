/* SPDX-License-Identifier: MIT */
#include "consumerd/handler/http-target.h"
#include "test.h"

static struct http_target parse(const char *text)
{
    struct http_target target = {};
    char *error = NULL;

    if (http_target_parse(text, &target, &error) != 0)
        fail_msg("%s: %s", text, error);
    return target;
}

static void urls_of_the_network_are_kept(void **state)
{
    static const struct {
        const char *url, *path;
        bool no_proxy;
    } cases[] = {
        {"http://127.0.0.1:8080/messages", "/messages", true},
        {"http://localhost", "/", true},
        {"https://LOCALHOST:8443/a/../b", "/a/../b", true},
        {"http://127.255.1.2/", "/", true},
        {"http://[::1]:80/x", "/x", true},
        {"http://[0:0:0:0:0:0:0:1]/", "/", true},
        {"http://10.0.0.1/", "/", false},
        {"http://128.0.0.1/", "/", false},
        {"http://[::2]/", "/", false},
        {"http://localhost.example.com/", "/", false},
        {"https://worker.example.com/a?b=c", "/a", false},
        {"http://127.0.0.1.example.com/", "/", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(http_target_done) struct http_target target = parse(cases[i].url);

        assert_string_equal(target.url, cases[i].url);
        assert_string_equal(target.path, cases[i].path);
        assert_null(target.unix_socket);
        if (target.no_proxy != cases[i].no_proxy)
            fail_msg("%s", cases[i].url);
    }
}

static void unix_socket_may_have_a_uri(void **state)
{
    static const char *const cases[][4] = {
        {"unix:/run/app.socket", "/run/app.socket", "http://localhost/", "/"},
        {"unix:/run/app.socket:/", "/run/app.socket", "http://localhost/", "/"},
        {"unix:/run/app.socket:/in/box?a=b:c", "/run/app.socket", "http://localhost/in/box?a=b:c",
         "/in/box"},
        {"unix:/run/an app \xc3\xa9", "/run/an app \xc3\xa9", "http://localhost/", "/"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(http_target_done) struct http_target target = parse(cases[i][0]);

        assert_string_equal(target.unix_socket, cases[i][1]);
        assert_string_equal(target.url, cases[i][2]);
        assert_string_equal(target.path, cases[i][3]);
        assert_true(target.no_proxy);
    }
}

static void url_that_libcurl_would_not_take_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "nonsense",
        "ftp://127.0.0.1/",
        "http://",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "http://a/b c",
        "http://a/\xc3\xa9",
        "http://a/\nb",
        "unix:/run/app.socket:/a b",
        "unix:/run/app.socket:/\xc3\xa9",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char untouched[] = "untouched";
        struct http_target target = {.path = untouched};
        char *error = NULL;

        if (http_target_parse(bad[i], &target, &error) != HTTP_TARGET_E_INVALID)
            fail_msg("accepted: %s", bad[i]);
        assert_ptr_equal(target.path, untouched);
        assert_memory_equal(error, "consumer.url: ", 14);
        free(error);
    }
}

static void url_parts_that_may_be_secret_are_not_shown(void **state)
{
    static const char *const cases[][2] = {
        {"http://localhost:8080/in", "http://localhost:8080/in"},
        {"https://worker.example.com/in?token=secret", "https://worker.example.com/in"},
        {"https://worker.example.com/#secret", "https://worker.example.com/"},
        {"https://me:secret@worker.example.com/in@box", "https://worker.example.com/in@box"},
        {"https://me:sec@ret@worker.example.com?a=b", "https://worker.example.com"},
        {"//me:secret@worker.example.com/", "//worker.example.com/"},
        {"/login?then=https://me:secret@host/", "/login"},
        {"unix:/run/app.socket:/in?token=secret", "unix:/run/app.socket:/in"},
        {"/a\tb\x1b", "/a\\tb\\x1b"},
        {"", ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(buffer_done) struct buffer shown = BUFFER_INIT(4096);

        http_target_append_shown(&shown, cases[i][0], 1024);
        assert_string_equal(buffer_string(&shown), cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_of_the_network_are_kept),
        cmocka_unit_test(unix_socket_may_have_a_uri),
        cmocka_unit_test(url_parts_that_may_be_secret_are_not_shown),
        cmocka_unit_test(url_that_libcurl_would_not_take_is_refused),
    };

    return cmocka_run_group_tests_name("http-target", tests, NULL, NULL);
}
