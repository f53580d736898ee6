/* SPDX-License-Identifier: MIT */
/* A line that is complete in the caller's bytes is passed on without a copy. Only an unfinished
 * line is copied, until its next piece comes. */
#include "util/line-splitter.h"

/* How many bytes of a full splitter to pass on, so that no character is cut. */
static size_t whole_characters(const char *bytes)
{
    for (size_t i = 1; i <= 3; i++) {
        unsigned char c = (unsigned char)bytes[LINE_SPLITTER_MAX_BYTES - i];

        if (c >= 0xC0) {
            size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;

            return length > i ? LINE_SPLITTER_MAX_BYTES - i : LINE_SPLITTER_MAX_BYTES;
        }
        if (c < 0x80)
            break;
    }
    return LINE_SPLITTER_MAX_BYTES;
}

static void hand_on(const char *text, size_t size, line_fn line, void *userdata)
{
    if (size > 0 && text[size - 1] == '\r')
        size--;
    if (size > 0)
        line(userdata, text, size);
}

static void hold(struct line_splitter *s, const char *bytes, size_t size)
{
    memcpy(s->held + s->size, bytes, size);
    s->size += size;
}

/* Takes bytes of one line. More bytes of it may follow. */
static void take(struct line_splitter *s, const char *bytes, size_t size, line_fn line,
                 void *userdata)
{
    while (size > LINE_SPLITTER_MAX_BYTES - s->size) {
        size_t n_free = LINE_SPLITTER_MAX_BYTES - s->size, whole;

        hold(s, bytes, n_free);
        bytes += n_free;
        size -= n_free;
        whole = whole_characters(s->held);
        line(userdata, s->held, whole);
        s->size -= whole;
        memmove(s->held, s->held + whole, s->size);
    }
    hold(s, bytes, size);
}

void line_splitter_feed(struct line_splitter *s, const char *bytes, size_t size, line_fn line,
                        void *userdata)
{
    while (size > 0) {
        size_t n = 0;

        while (n < size && bytes[n] != '\n' && bytes[n] != '\0')
            n++;
        if (n == size) {
            take(s, bytes, n, line, userdata);
            return;
        }
        if (s->size == 0 && n <= LINE_SPLITTER_MAX_BYTES) {
            hand_on(bytes, n, line, userdata);
        } else {
            take(s, bytes, n, line, userdata);
            line_splitter_end(s, line, userdata);
        }
        bytes += n + 1;
        size -= n + 1;
    }
}

void line_splitter_end(struct line_splitter *s, line_fn line, void *userdata)
{
    hand_on(s->held, s->size, line, userdata);
    s->size = 0;
}
