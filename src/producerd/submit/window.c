/* SPDX-License-Identifier: MIT */
#include "producerd/submit/window.h"

void window_init(struct window *window)
{
    *window = (struct window){};
    list_init(&window->lines);
    window->unsent = &window->lines;
}

void window_done(struct window *window)
{
    struct window_line *line;

    while ((line = window_first(window)))
        window_remove(window, line);
}

bool window_has_room(const struct window *window)
{
    return window->n_lines == 0 ||
           (window->n_lines < WINDOW_LINES_MAX && window->bytes < WINDOW_MAX_BYTES);
}

struct window_line *window_add(struct window *window, uint64_t number, const char *bytes,
                               size_t size)
{
    struct window_line *line = malloc(sizeof(*line) + size);

    if (!line)
        return NULL;
    *line = (struct window_line){.number = number, .size = size};
    memcpy(line->bytes, bytes, size);
    list_append(&window->lines, &line->link);
    if (window->unsent == &window->lines)
        window->unsent = &line->link;
    window->n_lines++;
    window->bytes += size;
    return line;
}

struct window_line *window_next_unsent(struct window *window)
{
    while (window->unsent != &window->lines) {
        struct window_line *line = window_line_of(window->unsent);

        window->unsent = line->link.next;
        if (!line->is_refused)
            return line;
    }
    return NULL;
}

void window_rewind(struct window *window)
{
    window->unsent = window->lines.next;
}

struct window_line *window_first(const struct window *window)
{
    struct list *link = list_first(&window->lines);

    return link ? window_line_of(link) : NULL;
}

void window_remove(struct window *window, struct window_line *line)
{
    if (window->unsent == &line->link)
        window->unsent = line->link.next;
    list_remove(&line->link);
    window->n_lines--;
    window->bytes -= line->size;
    free(line->error);
    free(line);
}
