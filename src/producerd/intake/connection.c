/* SPDX-License-Identifier: MIT */
/* The search for a newline starts where the last one ended, so a long line is searched once. A
 * connection without unfinished work has no memory except its structure. */
#include "producerd/intake/connection.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OUT_MAX_BYTES = 4 * 1024 * 1024, /* the intake stops far below this */
};

struct connection *connection_new(int fd)
{
    struct connection *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->fd = fd;
    c->out = BUFFER_INIT(OUT_MAX_BYTES);
    return c;
}

struct connection *connection_free(struct connection *c)
{
    if (!c)
        return NULL;
    close(c->fd);
    free(c->in);
    buffer_done(&c->out);
    free(c);
    return NULL;
}

int connection_grow(struct connection *c, size_t bytes)
{
    char *in = realloc(c->in, bytes);

    if (!in)
        return -ENOMEM;
    c->in = in;
    c->in_allocated = bytes;
    return 0;
}

/* Like recv: 0 at the end of the input. -EAGAIN: nothing to read now. */
static ssize_t receive(struct connection *c, size_t bytes, int flags)
{
    ssize_t n;

    do {
        n = recv(c->fd, c->in + c->in_bytes, bytes, flags | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? -EAGAIN : 0;
    return n;
}

void connection_read(struct connection *c, size_t max_bytes, bool stops_at_newline)
{
    size_t room = MIN(c->in_allocated - c->in_bytes, max_bytes);
    ssize_t n;

    if (stops_at_newline) {
        const char *newline;

        n = receive(c, room, MSG_PEEK);
        newline = n > 0 ? memchr(c->in + c->in_bytes, '\n', (size_t)n) : NULL;
        if (newline)
            room = (size_t)(newline + 1 - (c->in + c->in_bytes));
    }
    n = receive(c, room, 0);
    if (n > 0)
        c->in_bytes += (size_t)n;
    else if (n == 0)
        c->is_input_closed = true;
}

bool connection_has_line(struct connection *c)
{
    const char *newline = NULL;

    if (c->in_scanned < c->in_bytes)
        newline = memchr(c->in + c->in_scanned, '\n', c->in_bytes - c->in_scanned);
    c->in_scanned = newline ? (size_t)(newline - c->in) : c->in_bytes;
    return newline != NULL;
}

bool connection_take_line(struct connection *c, const char **ret, size_t *ret_bytes)
{
    if (!connection_has_line(c))
        return false;
    *ret = c->in + c->in_taken;
    *ret_bytes = c->in_scanned - c->in_taken;
    c->in_taken = ++c->in_scanned;
    return true;
}

void connection_untake_line(struct connection *c, size_t bytes)
{
    c->in_scanned--;
    c->in_taken -= bytes + 1;
}

void connection_compact(struct connection *c)
{
    size_t left = c->in_bytes - c->in_taken;
    char *in;

    if (c->in_taken > 0 && left > 0)
        memmove(c->in, c->in + c->in_taken, left);
    c->in_scanned -= c->in_taken;
    c->in_taken = 0;
    c->in_bytes = left;
    if (left == 0) {
        free(c->in);
        c->in = NULL;
        c->in_allocated = 0;
        return;
    }
    /* A partial long line keeps its memory. */
    if (left > c->in_allocated / 4)
        return;
    in = realloc(c->in, left);
    if (in) {
        c->in = in;
        c->in_allocated = left;
    }
}

void connection_flush(struct connection *c)
{
    while (c->out_sent < c->out.size) {
        ssize_t n = send(c->fd, c->out.data + c->out_sent, c->out.size - c->out_sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            c->is_broken = errno != EAGAIN && errno != EWOULDBLOCK;
            return;
        }
        c->out_sent += (size_t)n;
    }
    buffer_done(&c->out);
    c->out_sent = 0;
}
