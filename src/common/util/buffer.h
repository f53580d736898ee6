/* SPDX-License-Identifier: MIT */
/* A growing array of bytes. Its owner must set a maximum size. The memory is wiped before it is
 * freed.
 *
 * The first error sticks: later appends do nothing and return the same error. So a chain of appends
 * needs only one check at its end. A NUL always follows the bytes; it does not count in the
 * size. */
#pragma once

#include "util/macro.h"

struct buffer {
    char *data;       /* NULL while nothing was appended; else data[size] is NUL */
    size_t size;      /* bytes in use */
    size_t allocated; /* bytes owned */
    size_t max;       /* maximum of `size` */
    int error;        /* 0, or the first error, a negative errno */
};

#define BUFFER_INIT(max_bytes) ((struct buffer){.max = (max_bytes)})

/* All return 0, -ENOMEM, or -E2BIG if the size would exceed `max`; buffer_printf also -EINVAL if
 * vsnprintf refuses the format or an argument. On error nothing is appended. */
int buffer_append(struct buffer *b, const void *bytes, size_t size);
int buffer_append_string(struct buffer *b, const char *s);
int buffer_append_char(struct buffer *b, char c);
int buffer_printf(struct buffer *b, const char *format, ...) PRINTF_FORMAT(2, 3);

/* Allocates memory for `size` more bytes at once. Returns the same errors. */
int buffer_reserve(struct buffer *b, size_t size);

/* The text so far; "" if nothing was appended. It belongs to the buffer and is valid until the next
 * call on the buffer. */
const char *buffer_string(const struct buffer *b);

/* Empties the buffer and clears its error. The old bytes are wiped; the memory is kept. */
void buffer_reset(struct buffer *b);

/* Removes the first `size` bytes, moves the others to the front, and clears the buffer's error. */
void buffer_remove_front(struct buffer *b, size_t size);

/* Returns the bytes, which the caller frees. The buffer is empty afterwards. NULL: memory ran out,
 * or the buffer has an error; then the buffer stays as it was. */
char *buffer_take(struct buffer *b);

/* Wipes and frees the memory. The buffer may be used again. */
void buffer_done(struct buffer *b);

static inline void buffer_done_cleanup(struct buffer *b)
{
    buffer_done(b);
}

/* Wipes `size` bytes. The compiler does not optimize this away. NULL is allowed. */
void secure_wipe(void *p, size_t size);

/* Wipes and frees a secret string. NULL is allowed. */
void secret_free(char *s);
DEFINE_CLEANUP(char *, secret_free)
