/* SPDX-License-Identifier: MIT */
/* Splits bytes that come in pieces into lines, byte by byte as they came, each with its newline. A
 * line that is too long comes in pieces. Memory is bounded by the maximum and one read. Pure. */
#pragma once

#include "util/macro.h"

enum { LINE_READER_READ_BYTES = 64 * 1024 };

/* A plain value: LINE_READER_INIT. */
struct line_reader {
    char *data;
    size_t allocated;
    size_t begin, end; /* of the bytes that were not taken */
    size_t scanned;    /* no newline lies between begin and this */
    size_t max_bytes;  /* of a line without its newline */
    uint64_t n_lines;  /* that were begun */
    bool is_ended;     /* no more input comes */
    bool is_in_line;   /* a piece of a line was taken, and not its end */
};

#define LINE_READER_INIT(max) ((struct line_reader){.max_bytes = (max)})

struct line_piece {
    const char *bytes; /* borrowed until the next call */
    size_t size;       /* with the newline; the last line may have none */
    uint64_t number;   /* of the line, from 1 */
    bool is_long;      /* of a line that is longer than the maximum */
    bool is_first;     /* the line begins here */
};

/* Gives room for at least LINE_READER_READ_BYTES. Returns 0 or -ENOMEM. */
int line_reader_space(struct line_reader *reader, char **ret, size_t *ret_bytes);

/* So many bytes were written into the room. */
void line_reader_add(struct line_reader *reader, size_t bytes);

/* The input has ended: a last line without a newline is a line. */
void line_reader_end(struct line_reader *reader);

/* Takes the next line, or the next piece of a long line. Returns false when more input is needed,
 * or all is taken. */
bool line_reader_next(struct line_reader *reader, struct line_piece *ret);

/* Puts back the piece that line_reader_next has just taken, as if it had not been taken. */
void line_reader_put_back(struct line_reader *reader, const struct line_piece *piece);

/* Takes all bytes that are left, whole lines or not. The number is that of the line in which they
 * begin. Returns false when there are none. */
bool line_reader_take_rest(struct line_reader *reader, struct line_piece *ret);

void line_reader_done(struct line_reader *reader);
