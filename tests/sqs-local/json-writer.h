/* SPDX-License-Identifier: MIT */
/* JSON written straight into a buffer: members one after the other, commas where they are due. The
 * buffer's error sticks, so one check at the end is enough. */
#pragma once

#include "util/json-string.h"

/* Before each member of an object and each element of a list: a comma, unless it is the first. */
static inline void json_next(struct buffer *b)
{
    if (b->size > 0 && b->data[b->size - 1] != '{' && b->data[b->size - 1] != '[')
        buffer_append_char(b, ',');
}

/* The name of a member, which is a plain word; its value follows. */
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
