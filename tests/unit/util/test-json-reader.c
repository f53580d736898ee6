/* SPDX-License-Identifier: MIT */
#include "json-texts.h"
#include "test.h"
#include "util/json-reader.h"

#include <stdio.h>

static json_object *read_good(const char *text)
{
    json_object *object = NULL;
    struct json_fault fault = {};
    int r = json_read(text, strlen(text), TEXTS_DEPTH_MAX, &object, &fault);

    if (r != 0)
        print_error("%s: %s\n", text, fault.text);
    assert_int_equal(r, 0);
    return object;
}

static void write_object(struct buffer *b, json_object *value);

static void write_members(struct buffer *b, json_object *object)
{
    const char *comma = "";

    json_object_object_foreach (object, name, member) {
        buffer_append_string(b, comma);
        json_append_string(b, name, strlen(name));
        buffer_append_char(b, ':');
        write_object(b, member);
        comma = ",";
    }
}

/* Not by json-c's own writer, which may differ from version to version. */
static void write_object(struct buffer *b, json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_object:
        buffer_append_char(b, '{');
        write_members(b, value);
        buffer_append_char(b, '}');
        break;
    case json_type_array:
        buffer_append_char(b, '[');
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            if (i > 0)
                buffer_append_char(b, ',');
            write_object(b, json_object_array_get_idx(value, i));
        }
        buffer_append_char(b, ']');
        break;
    case json_type_string:
        json_append_string(b, json_object_get_string(value),
                           (size_t)json_object_get_string_len(value));
        break;
    default: /* a number is written as it was read */
        buffer_append_string(b, value ? json_object_to_json_string(value) : "null");
    }
}

static void json_text_is_read_or_refused_as_expected(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(json_texts); i++) {
        const struct json_text *text = &json_texts[i];
        bool differs = text->seldom_is || text->seldom_fault;
        const char *is = differs ? text->seldom_is : text->is;
        const char *expected_fault = differs ? text->seldom_fault : text->fault;
        CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);
        CLEANUP(json_object_put) json_object *object = NULL;
        struct json_fault fault = {};
        int r = json_read(text->text, text->size, TEXTS_DEPTH_MAX, &object, &fault);

        if (r == 0)
            write_object(&b, object);
        if (!streq(buffer_string(&b), is ? is : "") ||
            !streq(fault.text, expected_fault ? expected_fault : ""))
            fail_msg("%s: %s%s", text->text, buffer_string(&b), fault.text);
        assert_int_equal(r, is ? 0 : JSON_E_INVALID);
    }
}

/* What json-c's versions differ in. */
static void json_name_or_text_beyond_ascii_is_found(void **state)
{
    CLEANUP(json_object_put)
    json_object *object = read_good("{\"gr\\u00fc\xc3\x9f"
                                    "e\":\"\xf0\x9f\x98\x80\"}");
    const char *text = NULL;

    assert_int_equal(json_get_string(object,
                                     "gr\xc3\xbc\xc3\x9f"
                                     "e",
                                     &text),
                     0);
    assert_string_equal(text, "\xf0\x9f\x98\x80");
}

static void json_member_is_found_by_name_and_type(void **state)
{
    CLEANUP(json_object_put)
    json_object *object = read_good("{\"text\":\"t\\u00e4\",\"nul\":\"a\\u0000b\",\"yes\":true,"
                                    "\"null\":null,\"n\":1,\"o\":{}}");
    json_object *member = NULL;
    const char *text = "untouched";
    size_t size = 0;

    assert_int_equal(json_get_string(object, "missing", &text), JSON_E_ABSENT);
    assert_int_equal(json_get_string(object, "null", &text), JSON_E_ABSENT);
    assert_int_equal(json_get_string(object, "n", &text), JSON_E_TYPE);
    assert_int_equal(json_get_string(object, "o", &text), JSON_E_TYPE);
    assert_int_equal(json_get_string(object, "nul", &text), JSON_E_TYPE);
    assert_int_equal(json_get(object, "o", json_type_array, &member), JSON_E_TYPE);
    assert_string_equal(text, "untouched");
    assert_null(member);

    assert_int_equal(json_get_string(object, "text", &text), 0);
    assert_string_equal(text, "t\xc3\xa4");
    assert_int_equal(json_get_bytes(object, "nul", &text, &size), 0);
    assert_int_equal(size, 3);
    assert_memory_equal(text, "a\0b", 3);
    assert_int_equal(json_get(object, "o", json_type_object, &member), 0);
    assert_non_null(member);
}

/* So that no version of it can make a difference elsewhere. */
static void json_c_is_called_in_one_file_only(void **state)
{
    static const char command[] =
        "grep -rlE 'json_[t]okener|[<\"]json(-c/[a-z_]*|_[a-z]*|)[.]h' " SOURCE_ROOT
        "/src " SOURCE_ROOT "/tests --include='*.[ch]' | LC_ALL=C sort";
    static const char *const expected[] = {SOURCE_ROOT "/src/common/util/json-reader.c\n",
                                           SOURCE_ROOT "/src/common/util/json-reader.h\n"};
    FILE *found = popen(command, "r");
    char line[4096];

    assert_non_null(found);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_non_null(fgets(line, sizeof(line), found));
        assert_string_equal(line, expected[i]);
    }
    if (fgets(line, sizeof(line), found))
        fail_msg("json-c is used in %s", line);
    pclose(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_text_is_read_or_refused_as_expected),
        cmocka_unit_test(json_name_or_text_beyond_ascii_is_found),
        cmocka_unit_test(json_member_is_found_by_name_and_type),
        cmocka_unit_test(json_c_is_called_in_one_file_only),
    };

    return cmocka_run_group_tests_name("json-reader", tests, NULL, NULL);
}
