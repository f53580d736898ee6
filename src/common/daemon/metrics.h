/* SPDX-License-Identifier: MIT */
/* Writes metrics in Prometheus's text format 0.0.4. The numbers are plain memory that the daemons
 * add to; a table describes them. Pure. */
#pragma once

#include <math.h>

#include "util/buffer.h"

/* The media type of the text. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_kind {
    METRIC_COUNTER,   /* uint64_t */
    METRIC_GAUGE,     /* double; NAN: it is not known, and is left out */
    METRIC_HISTOGRAM, /* struct histogram */
    METRIC_INFO,      /* const char *: the value of the first label; the number is always 1 */
};

enum { METRIC_LABELS_MAX = 2 };

struct metric {
    const char *name; /* after the prefix of the daemon */
    const char *help; /* one line without backslashes */
    enum metric_kind kind;
    size_t offset; /* in the values */
    /* A metric with labels is an array with a number for each value of the label; with two labels,
     * for each value of the first and each of the second. The values are words without quotes and
     * backslashes. */
    struct metric_label {
        const char *name; /* NULL: none */
        const char *const *values;
        size_t n;
    } labels[METRIC_LABELS_MAX];
};

/* Appends the metrics. `values` is the structure that the offsets are in. */
void metrics_append(struct buffer *out, const char *prefix, const struct metric *metrics, size_t n,
                    const void *values);

/* How long things take. The bounds of the buckets are 1 ms, 2 ms, 4 ms and so on. */
enum { HISTOGRAM_N_BOUNDS = 20 }; /* the last is 524 s */

struct histogram {                            /* all zero at first */
    uint64_t buckets[HISTOGRAM_N_BOUNDS + 1]; /* the last has what is above all bounds */
    uint64_t sum_usec;
};

static inline void histogram_add(struct histogram *histogram, uint64_t usec)
{
    uint64_t msec = (MAX(usec, (uint64_t)1) - 1) / USEC_PER_MSEC; /* a bound is in its bucket */
    size_t bucket = msec == 0 ? 0 : 64 - (size_t)__builtin_clzll(msec);

    histogram->buckets[MIN(bucket, (size_t)HISTOGRAM_N_BOUNDS)]++;
    histogram->sum_usec += usec;
}
