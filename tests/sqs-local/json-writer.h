/* SPDX-License-Identifier: MIT */
/* Writes JSON directly into a buffer, one member after the other, with commas between them. The
 * buffer keeps its first error, so one check at the end is enough. */
#pragma once

#include "util/json-string.h"

/* Call this before each member of an object and each element of a list. Appends a comma, except
 * before the first. */
static inline void json_next(struct buffer *b)
{
    if (b->size > 0 && b->data[b->size - 1] != '{' && b->data[b->size - 1] != '[')
        buffer_append_char(b, ',');
}

/* Appends the name of a member, which must need no escapes. Its value must follow. */
static inline void json_name(struct buffer *b, const char *name)
{
    json_next(b);
    buffer_append_char(b, '"');
    buffer_append_string(b, name);
    buffer_append(b, "\":", 2);
}

static inline void json_put_bytes(struct buffer *b, const char *name, const char *value,
                                  size_t size)
{
    json_name(b, name);
    json_append_string(b, value, size);
}

static inline void json_put(struct buffer *b, const char *name, const char *value)
{
    json_put_bytes(b, name, value, strlen(value));
}
