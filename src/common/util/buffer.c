/* SPDX-License-Identifier: MIT */
/* A buffer doubles its memory when it is full. It copies the bytes itself and wipes the old memory;
 * realloc would leave a copy of a secret in freed memory. */
#include "util/buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <openssl/crypto.h>

enum { FIRST_ALLOCATION_BYTES = 128 };

void secure_wipe(void *p, size_t size)
{
    if (p && size > 0)
        OPENSSL_cleanse(p, size);
}

void secret_free(char *s)
{
    if (s)
        secure_wipe(s, strlen(s));
    free(s);
}

int buffer_reserve(struct buffer *b, size_t size)
{
    size_t need, allocated;
    char *data;

    if (b->error < 0)
        return b->error;
    if (size > b->max || b->size > b->max - size)
        return b->error = -E2BIG;
    if (b->max == SIZE_MAX && size == SIZE_MAX)
        return b->error = -E2BIG;

    need = b->size + size + 1;
    if (need <= b->allocated)
        return 0;

    allocated = MAX(b->allocated, (size_t)FIRST_ALLOCATION_BYTES);
    while (allocated < need)
        allocated = allocated > SIZE_MAX / 2 ? need : allocated * 2;

    data = malloc(allocated);
    if (!data)
        return b->error = -ENOMEM;
    if (b->data) {
        memcpy(data, b->data, b->size);
        secure_wipe(b->data, b->size);
        free(b->data);
    }
    data[b->size] = '\0';
    b->data = data;
    b->allocated = allocated;
    return 0;
}

int buffer_append(struct buffer *b, const void *bytes, size_t size)
{
    int r = buffer_reserve(b, size);

    if (r < 0)
        return r;
    if (size > 0)
        memcpy(b->data + b->size, bytes, size);
    b->size += size;
    b->data[b->size] = '\0';
    return 0;
}

int buffer_append_string(struct buffer *b, const char *s)
{
    return buffer_append(b, s, strlen(s));
}

int buffer_append_char(struct buffer *b, char c)
{
    int r = buffer_reserve(b, 1);

    if (r < 0)
        return r;
    b->data[b->size++] = c;
    b->data[b->size] = '\0';
    return 0;
}

int buffer_printf(struct buffer *b, const char *format, ...)
{
    /* With the NUL. In most cases the text fits, and is formatted only once. */
    size_t n_free = b->data ? MIN(b->allocated - 1, b->max) - b->size + 1 : 0;
    va_list ap;
    int n, r;

    if (b->error < 0)
        return b->error;
    va_start(ap, format);
    n = vsnprintf(n_free > 0 ? b->data + b->size : NULL, n_free, format, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < n_free) {
        b->size += (size_t)n;
        return 0;
    }
    if (n_free > 0)
        secure_wipe(b->data + b->size, n_free);
    if (n < 0)
        return b->error = -EINVAL;

    r = buffer_reserve(b, (size_t)n);
    if (r < 0)
        return r;
    va_start(ap, format);
    vsnprintf(b->data + b->size, (size_t)n + 1, format, ap);
    va_end(ap);
    b->size += (size_t)n;
    return 0;
}

const char *buffer_string(const struct buffer *b)
{
    return b->data ? b->data : "";
}

void buffer_reset(struct buffer *b)
{
    secure_wipe(b->data, b->size);
    b->size = 0;
    b->error = 0;
    if (b->data)
        b->data[0] = '\0';
}

void buffer_remove_front(struct buffer *b, size_t size)
{
    assert(size <= b->size);
    b->error = 0;
    if (size == 0)
        return;
    b->size -= size;
    memmove(b->data, b->data + size, b->size);
    secure_wipe(b->data + b->size, size); /* the NUL too */
}

char *buffer_take(struct buffer *b)
{
    char *data;

    if (b->error < 0 || buffer_reserve(b, 0) < 0)
        return NULL;
    data = TAKE(b->data);
    b->size = b->allocated = 0;
    return data;
}

void buffer_done(struct buffer *b)
{
    secure_wipe(b->data, b->size);
    free(b->data);
    *b = BUFFER_INIT(b->max);
}
