/* SPDX-License-Identifier: MIT */
/* What a program prints. A line whose characters say how large the pieces are in which the rest
 * comes, in turns. They give the same lines as the whole, which are all of it but its ends of
 * lines. */
#include "util/line-splitter.h"

#include "fuzz.h"
#include "util/buffer.h"

enum { LINES_MAX_BYTES = 256 * 1024 * 1024 };

/* Each behind its size. */
static void on_line(void *userdata, const char *line, size_t size)
{
    assert(size > 0 && size <= LINE_SPLITTER_MAX_BYTES);
    buffer_append(userdata, &size, sizeof(size));
    buffer_append(userdata, line, size);
}

/* So that a read past its end is found out. */
static void feed_copy(struct line_splitter *splitter, const char *bytes, size_t size,
                      struct buffer *lines)
{
    char *copy = malloc(MAX(size, (size_t)1));

    assert(copy);
    memcpy(copy, bytes, size);
    line_splitter_feed(splitter, copy, size, on_line, lines);
    free(copy);
}

/* From a byte to about two lines of the largest size. */
static size_t piece_bytes(char c)
{
    size_t n = (unsigned char)c;

    return 1 + n * n / 16;
}

/* Without cuts: in one piece. */
static void split(const char *text, size_t size, const char *cuts, struct buffer *ret_lines)
{
    struct line_splitter splitter = {};
    size_t n_cuts = strlen(cuts);

    for (size_t i = 0; size > 0; i++) {
        size_t n = n_cuts > 0 ? MIN(piece_bytes(cuts[i % n_cuts]), size) : size;

        feed_copy(&splitter, text, n, ret_lines);
        text += n;
        size -= n;
    }
    line_splitter_end(&splitter, on_line, ret_lines);
    assert(splitter.size == 0 && ret_lines->error == 0);
}

/* A long line was cut after `n` bytes: as late as can be without cutting a character. */
static void check_cut(const char *line, size_t size, size_t n)
{
    uint32_t c;

    assert(n + 3 >= LINE_SPLITTER_MAX_BYTES);
    assert(n == LINE_SPLITTER_MAX_BYTES || (unsigned char)line[n] >= 0xC0);
    for (size_t i = 1; i <= 3; i++)
        assert(utf8_decode(line + n - i, size - n + i, &c) <= i);
}

/* The line is what stands at `at`, in one piece or in several. Returns where that ends. */
static const char *check_line(const char *line, size_t size, const char *at, const char *end)
{
    while (size > 0) {
        size_t n;

        assert(at < end);
        memcpy(&n, at, sizeof(n));
        at += sizeof(n);
        assert(n <= size && memcmp(at, line, n) == 0);
        if (n < size)
            check_cut(line, size, n);
        at += n;
        line += n;
        size -= n;
    }
    return at;
}

static void check_lines(const char *text, size_t size, const struct buffer *lines)
{
    const char *at = buffer_string(lines), *end = at + lines->size;

    while (size > 0) {
        size_t n = 0;

        while (n < size && text[n] != '\n' && text[n] != '\0')
            n++;
        at = check_line(text, n > 0 && text[n - 1] == '\r' ? n - 1 : n, at, end);
        n = MIN(n + 1, size);
        text += n;
        size -= n;
    }
    assert(at == end);
}

FUZZ
{
    CLEANUP(buffer_done) struct buffer whole = BUFFER_INIT(LINES_MAX_BYTES);
    CLEANUP(buffer_done) struct buffer pieces = BUFFER_INIT(LINES_MAX_BYTES);
    char *cuts = fuzz_line(&data, &size);

    split(data, size, "", &whole);
    check_lines(data, size, &whole);
    split(data, size, cuts, &pieces);
    assert(pieces.size == whole.size);
    assert(memcmp(buffer_string(&pieces), buffer_string(&whole), whole.size) == 0);
    free(cuts);
}
