/* SPDX-License-Identifier: MIT */
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

#include "util/encode.h"

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

/* A complaint goes to the journal: one line of text, and nothing that a terminal could obey. */
static inline void fuzz_check_line(const char *line)
{
    uint32_t c;

    assert(line && *line);
    for (size_t i = 0, n, size = strlen(line); i < size; i += n) {
        n = utf8_decode(line + i, size - i, &c);
        assert(n > 0 && c >= 0x20 && !(c >= 0x7f && c < 0xa0));
    }
}

/* What may go into an HTTP header: printable ASCII without spaces, at least one. */
static inline void fuzz_check_word(const char *word)
{
    assert(word && *word);
    for (; *word; word++)
        assert(*word > ' ' && *word <= '~');
}

/* Stands in the corpora and the dictionary for a secret that no complaint may repeat. */
#define FUZZ_SECRET "topsecret"
