/* SPDX-License-Identifier: MIT */
/* The search for a newline starts where the last one ended, so a long line is searched once. Bytes
 * move only to make room, when they are a partial line. */
#include "producerd/submit/line-reader.h"

int line_reader_space(struct line_reader *r, char **ret, size_t *ret_bytes)
{
    size_t size = r->end - r->begin;

    if (r->begin > 0 && size > 0)
        memmove(r->data, r->data + r->begin, size);
    r->scanned -= r->begin;
    r->begin = 0;
    r->end = size;
    if (r->allocated - size < LINE_READER_READ_BYTES) {
        size_t allocated = size + MAX(size, (size_t)LINE_READER_READ_BYTES);
        char *data = realloc(r->data, allocated);

        if (!data)
            return -ENOMEM;
        r->data = data;
        r->allocated = allocated;
    }
    *ret = r->data + size;
    *ret_bytes = r->allocated - size;
    return 0;
}

void line_reader_add(struct line_reader *r, size_t bytes)
{
    r->end += bytes;
}

void line_reader_end(struct line_reader *r)
{
    r->is_ended = true;
}

static void take(struct line_reader *r, size_t size, bool has_end, struct line_piece *ret)
{
    bool is_first = !r->is_in_line;

    r->n_lines += is_first;
    *ret = (struct line_piece){
        .bytes = r->data + r->begin,
        .size = size,
        .number = r->n_lines,
        .is_long = r->is_in_line || size - has_end > r->max_bytes,
        .is_first = is_first,
    };
    r->begin += size;
    r->scanned = r->begin;
    r->is_in_line = !has_end && !r->is_ended;
}

bool line_reader_next(struct line_reader *r, struct line_piece *ret)
{
    size_t left = r->end - r->begin;
    const char *newline = NULL;

    if (left == 0)
        return false;
    if (r->scanned < r->end)
        newline = memchr(r->data + r->scanned, '\n', r->end - r->scanned);
    r->scanned = r->end;
    if (newline) {
        take(r, (size_t)(newline + 1 - (r->data + r->begin)), true, ret);
        return true;
    }
    if (!r->is_ended && !r->is_in_line && left <= r->max_bytes)
        return false;
    take(r, left, false, ret);
    return true;
}

void line_reader_put_back(struct line_reader *r, const struct line_piece *piece)
{
    r->begin -= piece->size;
    r->scanned = r->begin;
    r->n_lines -= piece->is_first;
    r->is_in_line = !piece->is_first;
}

bool line_reader_take_rest(struct line_reader *r, struct line_piece *ret)
{
    const char *end = r->data + r->end, *at = r->data + r->begin;

    if (r->begin == r->end)
        return false;
    *ret = (struct line_piece){
        .bytes = at,
        .size = r->end - r->begin,
        .number = r->n_lines + !r->is_in_line,
        .is_first = !r->is_in_line,
    };
    while (at && at < end) {
        r->n_lines += !r->is_in_line;
        at = memchr(at, '\n', (size_t)(end - at));
        r->is_in_line = !at;
        at = at ? at + 1 : NULL;
    }
    r->begin = r->scanned = r->end;
    return true;
}

void line_reader_done(struct line_reader *r)
{
    free(r->data);
    *r = LINE_READER_INIT(r->max_bytes);
}
