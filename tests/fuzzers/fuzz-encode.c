/* SPDX-License-Identifier: MIT */
/* Encodings, there and back: a byte that says where a log line is cut, and the bytes. */
#include "util/encode.h"

#include <errno.h>
#include <stdio.h>

#include "fuzz.h"
#include "util/json-reader.h"
#include "util/json-string.h"

enum { BUFFER_MAX_BYTES = 1 << 24 };

static void check_base64(const char *data, size_t size)
{
    CLEANUP(buffer_done) struct buffer text = BUFFER_INIT(BUFFER_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer bytes = BUFFER_INIT(BUFFER_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer given = BUFFER_INIT(BUFFER_MAX_BYTES);
    int r;

    assert(base64_encode(&text, data, size) == 0 && text.size == (size + 2) / 3 * 4);
    assert(base64_decode(&bytes, text.data, text.size) == 0);
    assert(bytes.size == size && (size == 0 || memcmp(bytes.data, data, size) == 0));

    r = base64_decode(&given, data, size);
    assert(r == 0 || r == -EINVAL);
    assert(given.data ? given.data[given.size] == '\0' : given.size == 0);
    if (r < 0) {
        assert(given.size == 0);
        return;
    }
    /* The bits that the last character has to spare may be any. */
    buffer_reset(&text);
    assert(base64_encode(&text, given.data, given.size) == 0 && text.size == size);
    assert(size < 4 || memcmp(text.data, data, size - 4) == 0);
}

static void check_uri(const char *data, size_t size)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(BUFFER_MAX_BYTES);
    const char *p;
    unsigned c;

    assert(uri_encode(&b, data, size, "/") == 0);
    p = buffer_string(&b);
    for (size_t i = 0; i < size; i++, p++) {
        c = (unsigned char)*p;
        if (c == '%') {
            assert(sscanf(p + 1, "%2X", &c) == 1);
            p += 2;
        }
        assert(c == (unsigned char)data[i]);
    }
    assert(*p == '\0');
}

static void check_log(const char *data, size_t size, size_t max)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(BUFFER_MAX_BYTES);
    const char *p;

    assert(escape_for_log(&b, data, size, max) == 0);
    if (b.size > 0)
        fuzz_check_line(buffer_string(&b));
    p = buffer_string(&b);
    for (size_t i = 0; i < MIN(size, max); i++, p++) {
        unsigned c = (unsigned char)*p;

        if (c == '\\') {
            p++;
            c = *p == 'n' ? '\n' : *p == 't' ? '\t' : *p == 'r' ? '\r' : (unsigned char)*p;
            if (*p == 'x') {
                assert(sscanf(p + 1, "%2x", &c) == 1);
                p += 2;
            }
        }
        assert(c == (unsigned char)data[i]);
    }
    assert(max < size || *p == '\0');
}

static void check_json(const char *data, size_t size)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(BUFFER_MAX_BYTES);
    CLEANUP(json_object_put) json_object *object = NULL;
    struct json_fault fault;
    const char *text;
    size_t text_bytes;
    int r;

    buffer_append_string(&b, "{\"a\":");
    r = json_append_string(&b, data, size);
    assert(r == (utf8_is_valid(data, size) ? 0 : -EINVAL));
    if (r < 0)
        return;
    buffer_append_char(&b, '}');
    assert(json_read(b.data, b.size, 4, &object, &fault) == 0);
    assert(json_get_bytes(object, "a", &text, &text_bytes) == 0);
    assert(text_bytes == size && memcmp(text, data, size) == 0);
}

FUZZ
{
    size_t max;

    if (size == 0)
        return;
    max = (unsigned char)data[0];
    data++;
    size--;
    check_base64(data, size);
    check_uri(data, size);
    check_log(data, size, max);
    check_log(data, size, SIZE_MAX);
    check_json(data, size);
}
