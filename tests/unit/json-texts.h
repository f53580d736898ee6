/* SPDX-License-Identifier: MIT */
/* JSON texts, and the result of both readers of the project, json_tree_read and json_read, with
 * every version of the libraries. Where the results differ, that is intended. */
#pragma once

#include "util/buffer.h"
#include "util/json-string.h"
#include "util/json-tree.h"

enum { TEXTS_DEPTH_MAX = 5 };

struct json_text {
    const char *text;
    size_t size;
    const char *is;    /* what is read, without white space and needless escapes; else */
    const char *fault; /* why nothing is read */

    /* Where another reader makes something else of it, and why it does. */
    const char *mended_is;                /* json_tree_read that replaces lone surrogates */
    const char *seldom_is, *seldom_fault; /* json_read */
    const char *why;
};

#define TEXT(bytes) .text = (bytes), .size = sizeof(bytes) - 1
#define READ_AS_IT_IS(bytes) TEXT(bytes), .is = (bytes)

#define MENDS "what SQS holds must be received, whatever it is; what is submitted is not changed"
#define LAST_COUNTS "json-c keeps one member of a name, json-tree shows all to who must judge"
#define NEAREST "json-c's numbers have 64 bits, json-tree keeps what is written"

static const struct json_text json_texts[] = {
    /* Values */
    {READ_AS_IT_IS("{}")},
    {TEXT(" \t\r\n{ } \n"), .is = "{}"},
    {READ_AS_IT_IS("{\"a\":[1,\"b\",true,false,null,{\"c\":[]}]}")},
    {TEXT("{ \"a\" : [ 1 , 2 ] , \"\" : { } }"), .is = "{\"a\":[1,2],\"\":{}}"},
    {TEXT("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}"), .is = "{\"a\":\"\\\"\\\\/\\b\\f\\n\\r\\t\"}"},

    /* Characters beyond ASCII */
    {READ_AS_IT_IS("{\"gr\xc3\xbc\xc3\x9f"
                   "e\":\"\xf0\x9f\x98\x80\"}")},
    {TEXT("{\"gr\\u00fc\\u00DFe\":\"\\ud83d\\uDE00\"}"), .is = "{\"gr\xc3\xbc\xc3\x9f"
                                                               "e\":\"\xf0\x9f\x98\x80\"}"},
    {READ_AS_IT_IS("{\"a\":\"\x7f\xc2\x80\xe2\x80\xa8\xf4\x8f\xbf\xbf\"}")},
    {TEXT("{\"a\":\"\\u007f\\u0080\\u2028\\udbff\\udfff\"}"),
     .is = "{\"a\":\"\x7f\xc2\x80\xe2\x80\xa8\xf4\x8f\xbf\xbf\"}"},
    {TEXT("{\"a\":\"\\ufffe\\uffff\\ufeff\"}"),
     .is = "{\"a\":\"\xef\xbf\xbe\xef\xbf\xbf\xef\xbb\xbf\"}"},
    {TEXT("{\"a\":\"gr\xfc\xdf"
          "e\"}"),
     .fault = "not UTF-8, at byte 9"},
    {TEXT("{\"a\":\"\xff\"}"), .fault = "not UTF-8, at byte 7"},
    {TEXT("{\"a\":\"\xc0\xaf\"}"), .fault = "not UTF-8, at byte 7"},
    {TEXT("{\"a\":\"\xed\xa0\xbd\xed\xb8\x80\"}"), .fault = "not UTF-8, at byte 7"},
    {TEXT("{\"a\":\"\xf4\x90\x80\x80\"}"), .fault = "not UTF-8, at byte 7"},
    {TEXT("{\"a\":\"x\xf0\x9f\x98"), .fault = "not UTF-8, at byte 8"},
    {TEXT("\xef\xbb\xbf{}"), .fault = "not JSON, at byte 1"},
    {TEXT("{\0}\0"), .fault = "not JSON, at byte 2"}, /* UTF-16 */

    /* Halves of surrogate pairs */
    {TEXT("{\"a\":\"abc\\ud83d\"}"), .fault = "half of a surrogate pair, at byte 10",
     .mended_is = "{\"a\":\"abc\xef\xbf\xbd\"}", .why = MENDS},
    {TEXT("{\"a\":\"\\ude00x\"}"), .fault = "half of a surrogate pair, at byte 7",
     .mended_is = "{\"a\":\"\xef\xbf\xbdx\"}", .why = MENDS},
    {TEXT("{\"a\":\"\\ud83d\\u0041\"}"), .fault = "half of a surrogate pair, at byte 7",
     .mended_is = "{\"a\":\"\xef\xbf\xbd"
                  "A\"}",
     .why = MENDS},
    {TEXT("{\"a\":\"\\ud83d\\n\"}"), .fault = "half of a surrogate pair, at byte 7",
     .mended_is = "{\"a\":\"\xef\xbf\xbd\\n\"}", .why = MENDS},
    {TEXT("{\"a\":\"\\ud83d\\ud83d\\ude00\"}"), .fault = "half of a surrogate pair, at byte 7",
     .mended_is = "{\"a\":\"\xef\xbf\xbd\xf0\x9f\x98\x80\"}", .why = MENDS},
    {TEXT("{\"a\":\"\\ude00\\ud83d\"}"), .fault = "half of a surrogate pair, at byte 7",
     .mended_is = "{\"a\":\"\xef\xbf\xbd\xef\xbf\xbd\"}", .why = MENDS},
    {TEXT("{\"a\":1,\"\\ud83d\":1}"), .fault = "half of a surrogate pair, at byte 9",
     .mended_is = "{\"a\":1,\"\xef\xbf\xbd\":1}", .why = MENDS},
    {TEXT("{\"a\":\"\\ud83d\\u00g0\"}"), .fault = "not JSON, at byte 17"},

    /* Control characters and NULs */
    {TEXT("{\"a\":\"x\\u0000y\\u001f\"}"), .is = "{\"a\":\"x\\u0000y\\u001f\"}"},
    {TEXT("{\"a\\u0000b\":1}"), .is = "{\"a\\u0000b\":1}",
     .seldom_fault = "a name holds a NUL character", .why = "json-c's names end at a NUL"},
    {TEXT("{\"a\":\"x\ny\"}"), .fault = "not JSON, at byte 8"},
    {TEXT("{\"a\":\"1234567890\x1f\"}"), .fault = "not JSON, at byte 17"},
    {TEXT("{\"a\x01\":1}"), .fault = "not JSON, at byte 4"},
    {TEXT("{\"a\":\"x\0y\"}"), .fault = "not JSON, at byte 8"},
    {TEXT("{\"a\0b\":1}"), .fault = "not JSON, at byte 4"},
    {TEXT("{}\0"), .fault = "followed by more, at byte 3"},
    {TEXT("{}\0{}"), .fault = "followed by more, at byte 3"},
    {TEXT("\0"), .fault = "not JSON, at byte 1"},
    {TEXT("\f{}"), .fault = "not JSON, at byte 1"},

    /* Escapes that are none */
    {TEXT("{\"a\":\"\\x41\"}"), .fault = "not JSON, at byte 8"},
    {TEXT("{\"a\":\"\\'\"}"), .fault = "not JSON, at byte 8"},
    {TEXT("{\"a\":\"\\U0041\"}"), .fault = "not JSON, at byte 8"},
    {TEXT("{\"a\":\"\\u00g0\"}"), .fault = "not JSON, at byte 11"},
    {TEXT("{\"a\":\"\\u12\"}"), .fault = "not JSON, at byte 11"},

    /* Numbers */
    {READ_AS_IT_IS("{\"a\":[0,1,-1,10,9223372036854775807,-9223372036854775808]}")},
    {READ_AS_IT_IS("{\"a\":[0.0,1.0,-1.5,1.5e-3,1E+2,1e400,-0.0,1e-400]}")},
    {READ_AS_IT_IS("{\"a\":18446744073709551615}")},
    {READ_AS_IT_IS("{\"a\":18446744073709551616}"), .seldom_is = "{\"a\":18446744073709551615}",
     .why = NEAREST},
    {READ_AS_IT_IS("{\"a\":-9223372036854775809}"), .seldom_is = "{\"a\":-9223372036854775808}",
     .why = NEAREST},
    {READ_AS_IT_IS("{\"a\":123456789012345678901234567890}"),
     .seldom_is = "{\"a\":18446744073709551615}", .why = NEAREST},
    {READ_AS_IT_IS("{\"a\":-0}"), .seldom_is = "{\"a\":0}", .why = NEAREST},
    {TEXT("{\"a\":01}"), .fault = "not JSON, at byte 7"},
    {TEXT("{\"a\":-01}"), .fault = "not JSON, at byte 8"},
    {TEXT("{\"a\":+1}"), .fault = "not JSON, at byte 6"},
    {TEXT("{\"a\":.5}"), .fault = "not JSON, at byte 6"},
    {TEXT("{\"a\":1.}"), .fault = "not JSON, at byte 8"},
    {TEXT("{\"a\":1.e5}"), .fault = "not JSON, at byte 8"},
    {TEXT("{\"a\":1e}"), .fault = "not JSON, at byte 8"},
    {TEXT("{\"a\":1e+}"), .fault = "not JSON, at byte 9"},
    {TEXT("{\"a\":1.5.5}"), .fault = "not JSON, at byte 9"},
    {TEXT("{\"a\":-}"), .fault = "not JSON, at byte 7"},
    {TEXT("{\"a\":0x10}"), .fault = "not JSON, at byte 7"},
    {TEXT("{\"a\":1_000}"), .fault = "not JSON, at byte 7"},

    /* Words */
    {TEXT("{\"a\":NaN}"), .fault = "not JSON, at byte 6"},
    {TEXT("{\"a\":nan}"), .fault = "not JSON, at byte 7"},
    {TEXT("{\"a\":Infinity}"), .fault = "not JSON, at byte 6"},
    {TEXT("{\"a\":-Infinity}"), .fault = "not JSON, at byte 7"},
    {TEXT("{\"a\":True}"), .fault = "not JSON, at byte 6"},
    {TEXT("{\"a\":NULL}"), .fault = "not JSON, at byte 6"},
    {TEXT("{\"a\":tru}"), .fault = "not JSON, at byte 9"},
    {TEXT("{\"a\":truex}"), .fault = "not JSON, at byte 10"},
    {TEXT("{\"a\":undefined}"), .fault = "not JSON, at byte 6"},

    /* Names */
    {READ_AS_IT_IS("{\"a\":1,\"b\":2,\"a\":{\"a\":3}}"), .seldom_is = "{\"a\":{\"a\":3},\"b\":2}",
     .why = LAST_COUNTS},
    {TEXT("{\"a\":1,\"\\u0061\":2}"), .is = "{\"a\":1,\"a\":2}", .seldom_is = "{\"a\":2}",
     .why = LAST_COUNTS},
    {TEXT("{'a':1}"), .fault = "not JSON, at byte 2"},
    {TEXT("{a:1}"), .fault = "not JSON, at byte 2"},
    {TEXT("{1:1}"), .fault = "not JSON, at byte 2"},
    {TEXT("{null:1}"), .fault = "not JSON, at byte 2"},

    /* What others take for JSON */
    {TEXT("{\"a\":'1'}"), .fault = "not JSON, at byte 6"},
    {TEXT("/* */{}"), .fault = "not JSON, at byte 1"},
    {TEXT("{/* */}"), .fault = "not JSON, at byte 2"},
    {TEXT("{\"a\":1 // one\n}"), .fault = "not JSON, at byte 8"},
    {TEXT("{}//"), .fault = "followed by more, at byte 3"},
    {TEXT("{}#"), .fault = "followed by more, at byte 3"},
    {TEXT("{\"a\":1,}"), .fault = "not JSON, at byte 8"},
    {TEXT("{\"a\":[1,]}"), .fault = "not JSON, at byte 9"},
    {TEXT("{\"a\":[,1]}"), .fault = "not JSON, at byte 7"},
    {TEXT("{,}"), .fault = "not JSON, at byte 2"},
    {TEXT("{\"a\":[1 2]}"), .fault = "not JSON, at byte 9"},
    {TEXT("{\"a\":1 \"b\":1}"), .fault = "not JSON, at byte 8"},
    {TEXT("{\"a\" 1}"), .fault = "not JSON, at byte 6"},
    {TEXT("{\"a\"}"), .fault = "not JSON, at byte 5"},
    {TEXT("{\"a\":}"), .fault = "not JSON, at byte 6"},
    {TEXT("{\"a\":1]"), .fault = "not JSON, at byte 7"},
    {TEXT("{\"a\":[1}"), .fault = "not JSON, at byte 8"},
    {TEXT("<html></html>"), .fault = "not JSON, at byte 1"},

    /* Whole or not */
    {TEXT(""), .fault = "empty"},
    {TEXT(" "), .fault = "cut off"},
    {TEXT("{"), .fault = "cut off"},
    {TEXT("{\"a\":"), .fault = "cut off"},
    {TEXT("{\"a\":\"x\\"), .fault = "cut off"},
    {TEXT("{\"a\":\"x\\ud83d"), .fault = "half of a surrogate pair, at byte 8"},
    {TEXT("{\"a\":tr"), .fault = "cut off"},
    {TEXT("{\"a\":-"), .fault = "cut off"},
    {TEXT("{}x"), .fault = "followed by more, at byte 3"},
    {TEXT("{} {}"), .fault = "followed by more, at byte 4"},
    {TEXT("{},"), .fault = "followed by more, at byte 3"},
    {TEXT("[]"), .fault = "no JSON object"},
    {TEXT("\"a\""), .fault = "no JSON object"},
    {TEXT("17"), .fault = "no JSON object"},
    {TEXT("null "), .fault = "no JSON object"},

    /* Depth */
    {READ_AS_IT_IS("{\"a\":[[[1]]]}")},
    {READ_AS_IT_IS("{\"a\":[[[{}]]]}")},
    {TEXT("{\"a\":[[[[1]]]]}"), .fault = "too deep, at byte 10"},
    {TEXT("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}"), .fault = "too deep, at byte 26"},
    {TEXT("[[[[[[[[[["), .fault = "too deep, at byte 6"},
};

static inline void write_tree(struct buffer *b, const struct json_value *value)
{
    static const char *const words[] = {
        [JSON_NULL] = "null", [JSON_FALSE] = "false", [JSON_TRUE] = "true"};
    const struct json_value *inner = json_value_first(value);
    bool is_object = value->kind == JSON_OBJECT;

    if (value->kind == JSON_STRING)
        json_append_string(b, value->text, value->n);
    else if (value->kind == JSON_NUMBER)
        buffer_append(b, value->text, value->n);
    else if (value->kind < JSON_NUMBER)
        buffer_append_string(b, words[value->kind]);
    if (value->kind < JSON_ARRAY)
        return;
    buffer_append_char(b, is_object ? '{' : '[');
    for (uint32_t i = 0; i < value->n; i++, inner = json_value_next(inner)) {
        if (i > 0)
            buffer_append_char(b, ',');
        if (is_object) {
            json_append_string(b, inner->name, inner->name_bytes);
            buffer_append_char(b, ':');
        }
        write_tree(b, inner);
    }
    buffer_append_char(b, is_object ? '}' : ']');
}
