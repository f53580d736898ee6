/* SPDX-License-Identifier: MIT */
#include "daemon/metrics.h"

#include <inttypes.h>
#include <stdio.h>

/* The labels of one sample, as text: `{operation="SendMessage",result="ok"}`. The bound of a
 * histogram's bucket is one more label. */
struct sample {
    struct buffer *out;
    const char *prefix;
    const struct metric *metric;
    const char *label_values[METRIC_LABELS_MAX];
};

static void append_name(const struct sample *s, const char *suffix, const char *bound)
{
    const struct metric *m = s->metric;
    char separator = '{';

    buffer_printf(s->out, "%s%s%s", s->prefix, m->name, suffix);
    for (size_t i = 0; i < METRIC_LABELS_MAX && m->labels[i].name; i++) {
        buffer_printf(s->out, "%c%s=\"%s\"", separator, m->labels[i].name, s->label_values[i]);
        separator = ',';
    }
    if (bound)
        buffer_printf(s->out, "%cle=\"%s\"", separator, bound);
    if (bound || separator == ',')
        buffer_append_char(s->out, '}');
}

static void append_count(const struct sample *s, const char *suffix, const char *bound, uint64_t n)
{
    append_name(s, suffix, bound);
    buffer_printf(s->out, " %" PRIu64 "\n", n);
}

static void append_histogram(const struct sample *s, const struct histogram *h)
{
    uint64_t n = 0;
    char bound[32];

    for (size_t i = 0; i < HISTOGRAM_N_BOUNDS; i++) {
        uint64_t msec = UINT64_C(1) << i;

        n += h->buckets[i];
        snprintf(bound, sizeof(bound), "%" PRIu64 ".%03" PRIu64, msec / 1000, msec % 1000);
        append_count(s, "_bucket", bound, n);
    }
    n += h->buckets[HISTOGRAM_N_BOUNDS];
    append_count(s, "_bucket", "+Inf", n);
    append_name(s, "_sum", NULL);
    buffer_printf(s->out, " %" PRIu64 ".%06" PRIu64 "\n", h->sum_usec / USEC_PER_SEC,
                  h->sum_usec % USEC_PER_SEC);
    append_count(s, "_count", NULL, n);
}

/* Appends one element of the metric's array. */
static void append_element(struct sample *s, const void *values, size_t index)
{
    const char *at = (const char *)values + s->metric->offset;
    double number;

    switch (s->metric->kind) {
    case METRIC_COUNTER:
        append_count(s, "", NULL, ((const uint64_t *)(const void *)at)[index]);
        break;
    case METRIC_GAUGE:
        number = ((const double *)(const void *)at)[index];
        if (isnan(number))
            break;
        append_name(s, "", NULL);
        buffer_printf(s->out, " %.15g\n", number);
        break;
    case METRIC_HISTOGRAM:
        append_histogram(s, (const struct histogram *)(const void *)at + index);
        break;
    case METRIC_INFO:
        s->label_values[0] = *(const char *const *)(const void *)at;
        append_count(s, "", NULL, 1);
        break;
    }
}

static void append_elements(struct sample *s, const void *values)
{
    const struct metric_label *first = &s->metric->labels[0], *second = &s->metric->labels[1];
    size_t n_first = MAX(first->n, (size_t)1), n_second = MAX(second->n, (size_t)1);

    for (size_t i = 0; i < n_first; i++)
        for (size_t k = 0; k < n_second; k++) {
            s->label_values[0] = first->values ? first->values[i] : NULL;
            s->label_values[1] = second->values ? second->values[k] : NULL;
            append_element(s, values, i * n_second + k);
        }
}

static const char *type_of(enum metric_kind kind)
{
    switch (kind) {
    case METRIC_COUNTER:
        return "counter";
    case METRIC_HISTOGRAM:
        return "histogram";
    default:
        return "gauge";
    }
}

void metrics_append(struct buffer *out, const char *prefix, const struct metric *metrics, size_t n,
                    const void *values)
{
    for (size_t i = 0; i < n; i++) {
        struct sample s = {.out = out, .prefix = prefix, .metric = &metrics[i]};

        buffer_printf(out, "# HELP %s%s %s\n# TYPE %s%s %s\n", prefix, metrics[i].name,
                      metrics[i].help, prefix, metrics[i].name, type_of(metrics[i].kind));
        append_elements(&s, values);
    }
}
