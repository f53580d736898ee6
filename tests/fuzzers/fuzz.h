/* A fuzz target is one file: what it does with some bytes from outside, as FUZZ { ... }, in which
 * `data` are `size` bytes. Nothing it does may crash, leak or run for ever; what must hold is
 * asserted.
 *
 * The same file is linked twice: with libFuzzer (-Dfuzz=true), and with driver.c, which runs the
 * corpus as an ordinary test. */
#pragma once

#undef NDEBUG
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define FUZZ                                                                                       \
    static void fuzz(const char *data, size_t size);                                               \
    int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)                                  \
    {                                                                                              \
        fuzz((const char *)bytes, size);                                                           \
        return 0;                                                                                  \
    }                                                                                              \
    static void fuzz(const char *data, size_t size)

/* The bytes as a string that the caller frees; it ends at their first NUL, and what is read past
 * its end is found out. */
static inline char *fuzz_string(const char *data, size_t size)
{
    char *s = strndup(data, size);

    assert(s);
    return s;
}

/* Cuts the first line off the bytes, for targets that take several texts: a string that the caller
 * frees. */
static inline char *fuzz_line(const char **data, size_t *size)
{
    const char *end = *size > 0 ? memchr(*data, '\n', *size) : NULL;
    size_t length = end ? (size_t)(end - *data) : *size;
    char *s = fuzz_string(*data, length);
    size_t taken = end ? length + 1 : length;

    *data += taken;
    *size -= taken;
    return s;
}
