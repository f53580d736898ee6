/* SPDX-License-Identifier: MIT */
/* The canonical form of a request. The figures were worked out by hand. */
#include "sigv4-fixture.h"

static void paths_are_normalised(void **state)
{
    static const struct {
        const char *path, *canonical;
    } rows[] = {
        {"", "/"},
        {"/", "/"},
        {"//", "/"},
        {"/.", "/"},
        {"/..", "/"},
        {"/../../a", "/a"},
        {"/a/..", "/"},
        {"/a/../", "/"},
        {"/a/b/..", "/a"},
        {"/a/b/../", "/a/"},
        {"/a/./b//c", "/a/b/c"},
        {"/a/.", "/a"},
        {"/a/...", "/a/..."},
        {"/.a/..b", "/.a/..b"},
        {"/%2E%2E/a", "/%252E%252E/a"},
        {"/a$b+c=d~e", "/a%24b%2Bc%3Dd~e"},
        {"/123456789012/test.fifo", "/123456789012/test.fifo"},
    };
    const struct sigv4_header host = {"host", "h"};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(buffer_done) struct buffer canonical = BUFFER_INIT(1024);
        CLEANUP(buffer_done) struct buffer names = BUFFER_INIT(1024);
        CLEANUP(buffer_done) struct buffer want = BUFFER_INIT(1024);
        struct sigv4_request request = {
            .method = "GET", .path = rows[i].path, .headers = &host, .n_headers = 1};

        assert_int_equal(sigv4_canonical_request(&request, &canonical, &names), 0);
        buffer_printf(&want, "GET\n%s\n\nhost:h\n\nhost\n" EMPTY_HASH, rows[i].canonical);
        assert_string_equal(buffer_string(&canonical), buffer_string(&want));
    }
}

static void queries_have_one_encoding(void **state)
{
    static const struct {
        const char *query, *canonical;
    } rows[] = {
        {"", ""},
        {"a", "a="},
        {"a=b=c", "a=b%3Dc"},
        {"=v", "=v"},
        {"&&a=1&&", "a=1"},
        {"a=%7e%2f%2F", "a=~%2F%2F"},
        {"a=%", "a=%25"},
        {"a=%4", "a=%254"},
        {"a=%zz", "a=%25zz"},
        {"a=%41", "a=A"},
        {"a=x+y z", "a=x%2By%20z"},
        {"b=1&A=2&a=3", "A=2&a=3&b=1"},
        {"ab=1&a=2", "a=2&ab=1"},
        {"a=2&a=10&a=1", "a=1&a=10&a=2"},
    };
    const struct sigv4_header host = {"host", "h"};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(buffer_done) struct buffer canonical = BUFFER_INIT(1024);
        CLEANUP(buffer_done) struct buffer names = BUFFER_INIT(1024);
        CLEANUP(buffer_done) struct buffer want = BUFFER_INIT(1024);
        struct sigv4_request request = {
            .method = "GET", .path = "/", .query = rows[i].query, .headers = &host, .n_headers = 1};

        assert_int_equal(sigv4_canonical_request(&request, &canonical, &names), 0);
        buffer_printf(&want, "GET\n/\n%s\nhost:h\n\nhost\n" EMPTY_HASH, rows[i].canonical);
        assert_string_equal(buffer_string(&canonical), buffer_string(&want));
    }
}

static void headers_that_proxies_change_are_not_signed(void **state)
{
    CLEANUP(buffer_done) struct buffer canonical = BUFFER_INIT(1024);
    CLEANUP(buffer_done) struct buffer names = BUFFER_INIT(1024);
    static const struct sigv4_header headers[] = {
        {"Connection", "v"},
        {"EXPECT", "v"},
        {"keep-alive", "v"},
        {"Proxy-Authenticate", "v"},
        {"proxy-Authorization", "v"},
        {"TE", "v"},
        {"trailer", "v"},
        {"Transfer-Encoding", "v"},
        {"Upgrade", "v"},
        {"user-agent", "v"},
        {"X-AMZN-Trace-ID", "v"},
        {"Host", "h"},
        /* Those that only look alike are. */
        {"X-Amzn-Trace", "v"},
        {"Expected", "v"},
        {"Tea", "v"},
        {"t", "v"},
    };
    const struct sigv4_request request = {
        .method = "GET", .path = "/", .headers = headers, .n_headers = ARRAY_SIZE(headers)};

    assert_int_equal(sigv4_canonical_request(&request, &canonical, &names), 0);
    assert_string_equal(buffer_string(&names), "expected;host;t;tea;x-amzn-trace");
    assert_string_equal(buffer_string(&canonical),
                        "GET\n/\n\nexpected:v\nhost:h\nt:v\ntea:v\nx-amzn-trace:v\n\n"
                        "expected;host;t;tea;x-amzn-trace\n" EMPTY_HASH);
}

static void request_bad_is_refused_and_appends_nothing(void **state)
{
    static const struct sigv4_header good[] = {{"host", "h"}, {"x", "y"}};
    static const struct sigv4_header no_host[] = {{"x-amz-date", "y"}};
    static const struct sigv4_header empty_host[] = {{"host", " "}};
    static const struct sigv4_header no_value[] = {{"host", "h"}, {"x", NULL}};
    static const struct sigv4_header no_name[] = {{"host", "h"}, {"", "y"}};
    static const struct sigv4_header null_name[] = {{"host", "h"}, {NULL, "y"}};
    static const struct sigv4_header colon[] = {{"host", "h"}, {"a:b", "y"}};
    static const struct sigv4_header line_end[] = {{"host", "h"}, {"a\nb", "y"}};
    static const struct sigv4_header not_ascii[] = {{"host", "h"}, {"a\xc3\xa4", "y"}};
    struct sigv4_header many[SIGV4_HEADERS_MAX + 1];
    const struct sigv4_request requests[] = {
        {.method = "GET", .path = "/", .headers = no_host, .n_headers = 1},
        {.method = "GET", .path = "/", .headers = empty_host, .n_headers = 1},
        {.method = "GET", .path = "/", .headers = no_value, .n_headers = 2},
        {.method = "GET", .path = "/", .headers = no_name, .n_headers = 2},
        {.method = "GET", .path = "/", .headers = null_name, .n_headers = 2},
        {.method = "GET", .path = "/", .headers = colon, .n_headers = 2},
        {.method = "GET", .path = "/", .headers = line_end, .n_headers = 2},
        {.method = "GET", .path = "/", .headers = not_ascii, .n_headers = 2},
        {.method = "GET", .path = "/", .headers = many, .n_headers = ARRAY_SIZE(many)},
        {.method = "GET", .path = "/"},
        {.method = "", .path = "/", .headers = good, .n_headers = 2},
        {.path = "/", .headers = good, .n_headers = 2},
        {.method = "GET", .path = "a", .headers = good, .n_headers = 2},
        {.method = "GET", .path = "/", .headers = good, .n_headers = 2, .body_bytes = 1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = good[0];
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        CLEANUP(buffer_done) struct buffer canonical = BUFFER_INIT(1024);
        CLEANUP(buffer_done) struct buffer names = BUFFER_INIT(1024);

        assert_int_equal(sigv4_canonical_request(&requests[i], &canonical, &names), -EINVAL);
        assert_int_equal(canonical.size, 0);
        assert_int_equal(names.size, 0);
    }
}

static void buffer_caps_hold(void **state)
{
    char query[3 * 200];
    const struct sigv4_header host = {"host", "h"};
    struct sigv4_request request = {
        .method = "GET", .path = "/a/../b", .query = "b=1&a=2", .headers = &host, .n_headers = 1};
    const size_t whole = strlen("GET\n/b\na=2&b=1\nhost:h\n\nhost\n" EMPTY_HASH);

    for (size_t max = 0; max <= whole; max++) {
        CLEANUP(buffer_done) struct buffer canonical = BUFFER_INIT(max);
        CLEANUP(buffer_done) struct buffer names = BUFFER_INIT(1024);

        assert_int_equal(sigv4_canonical_request(&request, &canonical, &names),
                         max < whole ? -E2BIG : 0);
    }
    for (size_t max = 0; max <= 4; max++) {
        CLEANUP(buffer_done) struct buffer canonical = BUFFER_INIT(1024);
        CLEANUP(buffer_done) struct buffer names = BUFFER_INIT(max);

        assert_int_equal(sigv4_canonical_request(&request, &canonical, &names),
                         max < 4 ? -E2BIG : 0);
    }

    for (size_t n = 128; n <= 129; n++) {
        CLEANUP(buffer_done) struct buffer canonical = BUFFER_INIT(4096);
        CLEANUP(buffer_done) struct buffer names = BUFFER_INIT(1024);

        for (size_t i = 0; i < n; i++)
            memcpy(query + 2 * i, "a&", 3);
        request.query = query;
        assert_int_equal(sigv4_canonical_request(&request, &canonical, &names),
                         n > 128 ? -E2BIG : 0);
    }
}

static void buffers_with_text_in_them_keep_it(void **state)
{
    CLEANUP(buffer_done) struct buffer canonical = BUFFER_INIT(1024);
    CLEANUP(buffer_done) struct buffer names = BUFFER_INIT(1024);
    CLEANUP(buffer_done) struct buffer to_sign = BUFFER_INIT(1024);
    const struct sigv4_header host = {"Host", "h"};
    struct sigv4_request request = {
        .method = "GET", .path = "/../..", .headers = &host, .n_headers = 1};

    buffer_append_string(&canonical, "/before/");
    buffer_append_string(&names, "SignedHeaders=");
    assert_int_equal(sigv4_canonical_request(&request, &canonical, &names), 0);
    assert_string_equal(canonical.data, "/before/GET\n/\n\nhost:h\n\nhost\n" EMPTY_HASH);
    assert_string_equal(names.data, "SignedHeaders=host");
    buffer_append_string(&to_sign, "x");
    assert_int_equal(sigv4_string_to_sign(&SCOPE, "", 0, &to_sign), 0);
    assert_string_equal(to_sign.data,
                        "xAWS4-HMAC-SHA256\n" TIME_TEXT "\n" SCOPE_TEXT "\n" EMPTY_HASH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_normalised),
        cmocka_unit_test(queries_have_one_encoding),
        cmocka_unit_test(headers_that_proxies_change_are_not_signed),
        cmocka_unit_test(request_bad_is_refused_and_appends_nothing),
        cmocka_unit_test(buffer_caps_hold),
        cmocka_unit_test(buffers_with_text_in_them_keep_it),
    };

    return cmocka_run_group_tests_name("aws-sigv4-canonical", tests, NULL, NULL);
}
