/* SPDX-License-Identifier: MIT */
/* A growing run of bytes with a cap that its owner must name, wiped when it is let go.
 *
 * The first failure sticks: later appends do nothing and return the same error, so that a chain of
 * appends needs one check at its end. The bytes are always followed by a NUL that does not count. */
#pragma once

#include "util/macro.h"

struct buffer {
    char *data;       /* NULL while nothing was appended; else data[size] is NUL */
    size_t size;      /* bytes in use */
    size_t allocated; /* bytes owned */
    size_t max;       /* cap on size, in bytes */
    int error;        /* 0, or the negative errno that stuck */
};

#define BUFFER_INIT(max_bytes) ((struct buffer){.max = (max_bytes)})

/* All return 0, or -ENOMEM, or -E2BIG where the cap would be passed (nothing is then appended). */
int buffer_append(struct buffer *b, const void *bytes, size_t size);
int buffer_append_string(struct buffer *b, const char *s);
int buffer_append_char(struct buffer *b, char c);
int buffer_printf(struct buffer *b, const char *format, ...) PRINTF_FORMAT(2, 3);

/* Makes room for `size` more bytes at once. Same errors. */
int buffer_reserve(struct buffer *b, size_t size);

/* The text so far; "" where nothing was appended. Owned by the buffer, until the next call on it. */
const char *buffer_string(const struct buffer *b);

/* Empties the buffer and its error, keeps its memory. The old bytes are wiped. */
void buffer_reset(struct buffer *b);

/* Hands the bytes to the caller, who frees them; the buffer is empty afterwards. Never NULL unless
 * memory ran out or an error stuck: then the buffer is left as it was. */
char *buffer_take(struct buffer *b);

/* Wipes and frees. The buffer may be used again. */
void buffer_done(struct buffer *b);

static inline void buffer_done_cleanup(struct buffer *b)
{
    buffer_done(b);
}

/* Wipes `size` bytes in a way that the compiler does not remove. NULL is allowed. */
void secure_wipe(void *p, size_t size);

/* Wipes and frees a secret string. NULL is allowed. */
void secret_free(char *s);
DEFINE_CLEANUP(char *, secret_free)
