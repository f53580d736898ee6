/* Text as JSON strings (RFC 8259), written straight into a buffer: on the way of every message
 * sent, a tree of JSON objects would copy each body twice more. */
#pragma once

#include "buffer.h"

/* Appends the text as a string in quotes. Only what must be escaped is: quotes, backslashes, control
 * characters (a NUL as \u0000). `bytes` may be NULL where the size is 0. 0, -ENOMEM, -E2BIG; -EINVAL
 * where the bytes are not UTF-8. Any of them sticks to the buffer. */
int json_append_string(struct buffer *b, const char *bytes, size_t size);
