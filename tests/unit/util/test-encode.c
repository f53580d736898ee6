/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "util/encode.h"

static void hex_has_lower_case_digits(void **state)
{
    char hex[9];

    hex_encode("\x00\xff\x1a\xb2", 4, hex);
    assert_string_equal(hex, "00ff1ab2");
}

static void uri_encode_follows_rfc_3986(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);

    assert_int_equal(uri_encode(&b, "AZaz09-._~ /?\xe1\x88\xb4\0%", 18, "/"), 0);
    assert_string_equal(buffer_string(&b), "AZaz09-._~%20/%3F%E1%88%B4%00%25");
}

static void base64_encoded_bytes_decode_to_the_same(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="},
    };

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(64);
        CLEANUP(buffer_done) struct buffer c = BUFFER_INIT(64);

        assert_int_equal(base64_encode(&b, pairs[i][0], strlen(pairs[i][0])), 0);
        assert_string_equal(buffer_string(&b), pairs[i][1]);
        assert_int_equal(base64_decode(&c, b.data, b.size), 0);
        assert_string_equal(buffer_string(&c), pairs[i][0]);
    }
}

static void base64_invalid_text_is_refused(void **state)
{
    static const char *const bad[] = {"Zg",   "Zg=",  "Z===", "Zm9v\n",
                                      "Zm 9", "=m9v", "Zm=v", "Zm9-"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(64);

        assert_int_equal(base64_decode(&b, bad[i], strlen(bad[i])), -EINVAL);
        assert_int_equal(b.size, 0);
    }
}

static void utf8_invalid_sequence_is_refused(void **state)
{
    assert_true(utf8_is_valid("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 10));
    assert_true(utf8_is_valid("\0", 1));
    assert_false(utf8_is_valid("\xc0\x80", 2));
    assert_false(utf8_is_valid("\xed\xa0\x80", 3));
    assert_false(utf8_is_valid("\xf4\x90\x80\x80", 4));
    assert_false(utf8_is_valid("\xe2\x82", 2));
    assert_false(utf8_is_valid("\xff", 1));
}

/* Of short text and long, at every place in it. */
static void utf8_invalid_byte_is_found_at_any_place(void **state)
{
    for (size_t size = 1; size <= 200; size++) {
        CLEANUP(free) char *text = malloc(size);

        assert_non_null(text);
        memset(text, 'a', size);
        assert_true(utf8_is_valid(text, size));
        for (size_t i = 0; i < size; i++) {
            text[i] = '\x80';
            assert_false(utf8_is_valid(text, size));
            text[i] = '\xc3';
            assert_false(utf8_is_valid(text, size));
            if (i + 1 < size) {
                text[i + 1] = '\xa4';
                assert_true(utf8_is_valid(text, size));
                text[i + 1] = 'a';
            }
            text[i] = 'a';
        }
    }
}

static void log_text_is_one_line_with_escapes(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(256);

    assert_int_equal(escape_for_log(&b, "a\n\t\r\\\x1b\xff\xc3\xa4\xc2\x85z", 12, 100), 0);
    assert_string_equal(buffer_string(&b), "a\\n\\t\\r\\\\\\x1b\\xff\xc3\xa4\\xc2\\x85z");
    buffer_reset(&b);
    assert_int_equal(escape_for_log(&b, "abcdef", 6, 3), 0);
    assert_string_equal(buffer_string(&b), "abc... (6 bytes)");
    buffer_reset(&b);
    assert_int_equal(escape_for_log(&b, "a\xc3\xa4", 3, 2), 0);
    assert_string_equal(buffer_string(&b), "a\xc3\xa4");
}

static void log_text_character_that_breaks_or_reorders_a_line_is_escaped(void **state)
{
    static const uint32_t out[] = {0x00,   0x0a,   0x1f,   0x7f,   0x80,   0x85,   0x9f,
                                   0x061c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202b,
                                   0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069};
    static const uint32_t in[] = {0x20,   0x7e,   0xa0,   0xe4,   0x061b, 0x061d, 0x200d,
                                  0x2010, 0x2027, 0x202f, 0x2065, 0x206a, 0x1f600};
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(100);

    for (size_t i = 0; i < ARRAY_SIZE(out); i++)
        assert_false(is_safe_in_line(out[i]));
    for (size_t i = 0; i < ARRAY_SIZE(in); i++)
        assert_true(is_safe_in_line(in[i]));
    assert_int_equal(escape_for_log(&b,
                                    "a\xe2\x80\xae"
                                    "b\xe2\x80\xa8\xd8\x9c",
                                    10, 100),
                     0);
    assert_string_equal(buffer_string(&b), "a\\xe2\\x80\\xae"
                                           "b\\xe2\\x80\\xa8\\xd8\\x9c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_text_character_that_breaks_or_reorders_a_line_is_escaped),
        cmocka_unit_test(hex_has_lower_case_digits),
        cmocka_unit_test(uri_encode_follows_rfc_3986),
        cmocka_unit_test(base64_encoded_bytes_decode_to_the_same),
        cmocka_unit_test(base64_invalid_text_is_refused),
        cmocka_unit_test(utf8_invalid_sequence_is_refused),
        cmocka_unit_test(utf8_invalid_byte_is_found_at_any_place),
        cmocka_unit_test(log_text_is_one_line_with_escapes),
    };

    return cmocka_run_group_tests_name("encode", tests, NULL, NULL);
}
