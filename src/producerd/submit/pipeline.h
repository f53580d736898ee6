/* SPDX-License-Identifier: MIT */
/* A connection to the daemon on which lines are sent before the earlier ones are answered. Nothing
 * here blocks. */
#pragma once

#include "producerd/intake/submission-reply.h"

enum {
    PIPELINE_OUT_MAX_BYTES = 16 * 1024 * 1024, /* the caller stops far below this */
    PIPELINE_READ_BYTES = 64 * 1024,
};

/* A plain value: PIPELINE_INIT. */
struct pipeline {
    int fd;            /* -1: not connected */
    struct buffer out; /* lines; the caller appends */
    size_t out_sent;
    struct buffer in; /* answers */
    size_t in_taken;
};

#define PIPELINE_INIT                                                                              \
    ((struct pipeline){.fd = -1,                                                                   \
                       .out = BUFFER_INIT(PIPELINE_OUT_MAX_BYTES),                                 \
                       .in = BUFFER_INIT(SUBMISSION_REPLY_MAX_BYTES + PIPELINE_READ_BYTES)})

static inline size_t pipeline_unsent_bytes(const struct pipeline *p)
{
    return p->out.size - p->out_sent;
}

/* Sends as much as the socket takes. An error shows when answers are read. */
void pipeline_flush(struct pipeline *pipeline);

/* Reads what has come. Returns 0, -EPIPE when the daemon has ended the connection, or -ENOMEM or
 * -E2BIG when an answer is too long. Answers that came before are still there. */
int pipeline_read(struct pipeline *pipeline);

/* Takes the next answer, without its newline; it is valid until the next read. */
bool pipeline_next_answer(struct pipeline *pipeline, const char **ret, size_t *ret_bytes);

/* Closes the connection, and forgets what was not sent and not taken. */
void pipeline_close(struct pipeline *pipeline);
