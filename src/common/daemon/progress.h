/* SPDX-License-Identifier: MIT */
/* The lines that tell how a daemon's work goes on as a whole, at notice: one when it begins, one a
 * minute while something happens, one at the end. What has happened is told by the daemon's own
 * counters: here they are only compared. While they stay the same there is no line, and no timer
 * runs. */
#pragma once

#include <systemd/sd-event.h>

#include "util/buffer.h"

enum { PROGRESS_WHAT_MAX_BYTES = 1024 };

#define PROGRESS_INTERVAL_USEC (60 * USEC_PER_SEC)

struct progress;

/* Appends to `line` what was done since the counters were as in `before`. */
typedef void (*progress_describe_fn)(void *userdata, struct buffer *line, const void *before);

struct progress_options {
    const char *queue_url;
    bool is_fifo;
    const char *what;   /* "handler exec (/usr/bin/true)" */
    const char *keys;   /* where they come from; NULL: not known */
    const void *counts; /* borrowed: `size` bytes, of uint64_t alone */
    size_t size;
    progress_describe_fn describe;
    void *userdata;
};

/* Logs the line of the start. 0, -ENOMEM or the errno of the loop. */
int progress_new(sd_event *event, const struct progress_options *options, struct progress **ret);

/* Logs the line of the end, with all that was counted since the start. Later ones do nothing, nor
 * does NULL. */
void progress_end(struct progress *progress);
struct progress *progress_free(struct progress *progress);
DEFINE_CLEANUP(struct progress *, progress_free)

/* Perhaps something has happened: to be called after each turn. */
void progress_update(struct progress *progress);
