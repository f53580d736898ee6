/* SPDX-License-Identifier: MIT */
#include "producerd/submit/pipeline.h"

#include <sys/socket.h>
#include <unistd.h>

void pipeline_flush(struct pipeline *p)
{
    while (p->fd >= 0 && pipeline_unsent_bytes(p) > 0) {
        ssize_t n = send(p->fd, p->out.data + p->out_sent, pipeline_unsent_bytes(p),
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        p->out_sent += (size_t)n;
    }
    /* While the daemon is slower than the input, some bytes are always left. They are moved only
     * when they are few. */
    if (p->out_sent < pipeline_unsent_bytes(p))
        return;
    buffer_remove_front(&p->out, p->out_sent);
    p->out_sent = 0;
}

int pipeline_read(struct pipeline *p)
{
    ssize_t n;

    buffer_remove_front(&p->in, p->in_taken);
    p->in_taken = 0;
    if (buffer_reserve(&p->in, PIPELINE_READ_BYTES) < 0)
        return p->in.error;
    do {
        n = recv(p->fd, p->in.data + p->in.size, PIPELINE_READ_BYTES, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n <= 0)
        return -EPIPE;
    p->in.size += (size_t)n;
    return 0;
}

bool pipeline_next_answer(struct pipeline *p, const char **ret, size_t *ret_bytes)
{
    const char *begin, *newline;

    if (p->in.size == p->in_taken)
        return false;
    begin = p->in.data + p->in_taken;
    newline = memchr(begin, '\n', p->in.size - p->in_taken);
    if (!newline)
        return false;
    *ret = begin;
    *ret_bytes = (size_t)(newline - begin);
    p->in_taken += *ret_bytes + 1;
    return true;
}

void pipeline_close(struct pipeline *p)
{
    if (p->fd >= 0)
        close(p->fd);
    buffer_done(&p->out);
    buffer_done(&p->in);
    *p = PIPELINE_INIT;
}
