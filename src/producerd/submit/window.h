/* SPDX-License-Identifier: MIT */
/* The lines that were read and whose fate is not settled yet, in order: those that wait for the
 * daemon's answer, and those that were refused here, which wait for their turn. Pure. */
#pragma once

#include "util/list.h"

enum {
    /* Beyond these no line is added, except to an empty window. */
    WINDOW_LINES_MAX = 4000,
    WINDOW_MAX_BYTES = 2 * 1024 * 1024,
};

struct window_line {
    struct list link;
    uint64_t number; /* of the line in the input */
    bool is_sent;    /* to the daemon, whose answer settles it */
    bool is_more;    /* it continues the line before it, which was refused here */
    char *error;     /* why it was refused here; owned; NULL: is_sent or is_more */
    size_t size;
    char bytes[]; /* as they came, with the newline */
};

struct window {
    struct list lines;
    size_t n_lines, bytes;
};

void window_init(struct window *window);
void window_done(struct window *window);

/* Returns true when a line more may be added. */
bool window_has_room(const struct window *window);

/* Appends a copy of the bytes. Returns NULL without memory. */
struct window_line *window_add(struct window *window, uint64_t number, const char *bytes,
                               size_t size);

/* The line whose turn it is; NULL: the window is empty. window_remove frees it. */
struct window_line *window_first(const struct window *window);
void window_remove(struct window *window, struct window_line *line);

static inline struct window_line *window_line_of(struct list *link)
{
    return CONTAINER_OF(link, struct window_line, link);
}
