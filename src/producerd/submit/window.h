/* SPDX-License-Identifier: MIT */
/* The lines that were read and whose fate is not settled yet, in order: those that wait for the
 * daemon's answer, those that are still to be sent, and those that were refused here, which wait
 * for their turn. Pure. */
#pragma once

#include "util/list.h"

enum {
    /* Beyond these no line is added, except to an empty window. */
    WINDOW_LINES_MAX = 4000,
    WINDOW_MAX_BYTES = 2 * 1024 * 1024,
};

struct window_line {
    struct list link;
    uint64_t number;   /* of the line in the input */
    uint64_t position; /* in the series, from 1; 0: it was never sent */
    bool is_refused;   /* here */
    char *error;       /* why; owned; NULL: it is not refused, or continues the line before it */
    size_t size;
    char bytes[]; /* as they came, with the newline */
};

struct window {
    struct list lines;
    struct list *unsent; /* the first line that is not sent on this connection; the head: none */
    size_t n_lines, bytes;
};

void window_init(struct window *window);
void window_done(struct window *window);

/* Returns true when a line more may be added. */
bool window_has_room(const struct window *window);

/* Appends a copy of the bytes. Returns NULL without memory. */
struct window_line *window_add(struct window *window, uint64_t number, const char *bytes,
                               size_t size);

/* Takes the next line to send, which is not refused; NULL: there is none. window_rewind begins with
 * the first line again, for another connection. */
struct window_line *window_next_unsent(struct window *window);
void window_rewind(struct window *window);

/* The line whose turn it is to be settled; NULL: the window is empty. window_remove frees it. */
struct window_line *window_first(const struct window *window);
void window_remove(struct window *window, struct window_line *line);

static inline struct window_line *window_line_of(struct list *link)
{
    return CONTAINER_OF(link, struct window_line, link);
}
