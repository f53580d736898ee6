/* SPDX-License-Identifier: MIT */
/* Log lines about a daemon's work as a whole, at level notice: one when it starts, one a minute
 * while the counters change, and one at the end. The counters are the daemon's own; this file only
 * compares them. While they do not change, there is no line and no timer runs. */
#pragma once

#include <systemd/sd-event.h>

#include "util/buffer.h"

enum { PROGRESS_WHAT_MAX_BYTES = 1024 };

#define PROGRESS_INTERVAL_USEC (60 * USEC_PER_SEC)

struct progress;

/* Appends to `line` what was done since the counters had the values in `before`. */
typedef void (*progress_describe_fn)(void *userdata, struct buffer *line, const void *before);

struct progress_options {
    const char *queue_url;
    bool is_fifo;
    const char *what;   /* "handler exec (/usr/bin/true)" */
    const char *keys;   /* where the credentials come from; NULL: not known */
    const void *counts; /* borrowed: `size` bytes, only uint64_t */
    size_t size;
    progress_describe_fn describe;
    void *userdata;
};

/* Logs the first line. Returns 0, -ENOMEM or an errno of the event loop. */
int progress_new(sd_event *event, const struct progress_options *options, struct progress **ret);

/* Logs the last line, with everything that was counted since the start. Further calls do nothing.
 * NULL is allowed. */
void progress_end(struct progress *progress);
struct progress *progress_free(struct progress *progress);
DEFINE_CLEANUP(struct progress *, progress_free)

/* To be called whenever the counters may have changed. NULL is allowed. */
void progress_update(struct progress *progress);
