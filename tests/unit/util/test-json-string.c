/* SPDX-License-Identifier: MIT */
#include "util/json-string.h"
#include "util/json-reader.h"
#include "test.h"

static void assert_quoted(const char *bytes, size_t size, const char *expected)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);

    assert_int_equal(json_append_string(&b, bytes, size), 0);
    assert_string_equal(buffer_string(&b), expected);
    assert_int_equal(b.size, strlen(expected));
}

static void json_string_escapes_only_what_it_must(void **state)
{
    assert_quoted("", 0, "\"\"");
    assert_quoted(NULL, 0, "\"\"");
    assert_quoted("plain / text' \x7f", 15, "\"plain / text' \x7f\"");
    assert_quoted("\"\\", 2, "\"\\\"\\\\\"");
    assert_quoted("\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"");
    assert_quoted("a\0b\x1f\x01", 5, "\"a\\u0000b\\u001f\\u0001\"");
    assert_quoted("\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n", 11,
                  "\"\\\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\\n\"");
}

static void json_string_is_appended_to_another(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);

    buffer_append_char(&b, '[');
    json_append_string(&b, "a", 1);
    buffer_append_char(&b, ',');
    json_append_string(&b, "\n", 1);
    buffer_append_char(&b, ']');
    assert_string_equal(buffer_string(&b), "[\"a\",\"\\n\"]");
}

static void json_string_that_is_not_utf8_is_refused(void **state)
{
    static const char *const bad[] = {
        "\xff", "ok\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "a\n\xe2\x82"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);

        assert_int_equal(json_append_string(&b, bad[i], strlen(bad[i])), -EINVAL);
        assert_int_equal(buffer_append_char(&b, 'x'), -EINVAL);
    }
}

static void json_string_beyond_the_cap_is_an_error(void **state)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(8);

    assert_int_equal(json_append_string(&b, "123456", 6), 0);
    buffer_reset(&b);
    assert_int_equal(json_append_string(&b, "1234567", 7), -E2BIG);
    buffer_reset(&b);
    assert_int_equal(json_append_string(&b, "\x01\x02", 2), -E2BIG);
    buffer_reset(&b);
    assert_int_equal(json_append_string(&b, "", SIZE_MAX), -E2BIG);
}

static size_t encode_utf8(uint32_t c, char *ret)
{
    if (c < 0x80) {
        ret[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        ret[0] = (char)(0xC0 | c >> 6);
        ret[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        ret[0] = (char)(0xE0 | c >> 12);
        ret[1] = (char)(0x80 | (c >> 6 & 0x3F));
        ret[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    ret[0] = (char)(0xF0 | c >> 18);
    ret[1] = (char)(0x80 | (c >> 12 & 0x3F));
    ret[2] = (char)(0x80 | (c >> 6 & 0x3F));
    ret[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

/* All characters there are, in runs that begin at every offset to what must be escaped. */
static void json_string_of_every_character_is_read_back_by_a_parser(void **state)
{
    enum { STEP = 1024 };

    for (uint32_t from = 0; from <= 0x10FFFF; from += STEP) {
        CLEANUP(buffer_done) struct buffer text = BUFFER_INIT((size_t)STEP * 8);
        CLEANUP(buffer_done) struct buffer json = BUFFER_INIT((size_t)STEP * 16);
        CLEANUP(json_object_put) json_object *object = NULL;
        struct json_fault fault;
        const char *read;
        size_t read_bytes;

        for (uint32_t c = from; c < from + STEP; c++) {
            char bytes[4];

            if (c >= 0xD800 && c <= 0xDFFF)
                continue;
            buffer_append(&text, bytes, encode_utf8(c, bytes));
            if (c % 7 == 0)
                buffer_append_char(&text, "\"\\\n\x01"[c % 4]);
        }
        assert_int_equal(text.error, 0);
        buffer_append_string(&json, "{\"a\":");
        assert_int_equal(json_append_string(&json, text.data, text.size), 0);
        buffer_append_char(&json, '}');
        assert_int_equal(json_read(json.data, json.size, 2, &object, &fault), 0);
        assert_int_equal(json_get_bytes(object, "a", &read, &read_bytes), 0);
        assert_int_equal(read_bytes, text.size);
        assert_memory_equal(read, buffer_string(&text), text.size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_string_escapes_only_what_it_must),
        cmocka_unit_test(json_string_is_appended_to_another),
        cmocka_unit_test(json_string_that_is_not_utf8_is_refused),
        cmocka_unit_test(json_string_beyond_the_cap_is_an_error),
        cmocka_unit_test(json_string_of_every_character_is_read_back_by_a_parser),
    };

    return cmocka_run_group_tests_name("json-string", tests, NULL, NULL);
}
