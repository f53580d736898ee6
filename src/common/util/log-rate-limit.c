/* SPDX-License-Identifier: MIT */
#include "util/log-rate-limit.h"

#include <stdio.h>

static bool is_spent(const struct log_rate_limit *limit, const struct log_rate_limit_kind *kind)
{
    return kind->n_lines >= MAX(limit->lines_max, 1U);
}

bool log_rate_limit_is_spent(const struct log_rate_limit *limit)
{
    return is_spent(limit, &limit->kinds[limit->last]);
}

/* Finds the kind. A new kind is all zero, and replaces the one whose interval began first. */
static struct log_rate_limit_kind *find(struct log_rate_limit *limit, const char *name)
{
    struct log_rate_limit_kind *first = &limit->kinds[0];

    for (size_t i = 0; i < LOG_RATE_LIMIT_KINDS; i++) {
        struct log_rate_limit_kind *kind = &limit->kinds[i];

        if (kind->n_lines > 0 && streq(kind->name, name))
            return kind;
        if (first->n_lines > 0 && (kind->n_lines == 0 || kind->begin_usec < first->begin_usec))
            first = kind;
    }
    *first = (struct log_rate_limit_kind){};
    return first;
}

bool log_rate_limit_take(struct log_rate_limit *limit, const char *kind, uint64_t n,
                         uint64_t now_usec, uint64_t *ret_n_suppressed)
{
    char cut[LOG_RATE_LIMIT_KIND_SIZE];
    struct log_rate_limit_kind *k;

    snprintf(cut, sizeof(cut), "%s", kind);
    k = find(limit, cut);
    if (k->n_lines == 0 || now_usec - k->begin_usec >= LOG_RATE_LIMIT_INTERVAL_USEC) {
        k->n_lines = 0;
        k->begin_usec = now_usec;
        memcpy(k->name, cut, sizeof(cut));
    }
    if (is_spent(limit, k)) {
        limit->n_suppressed += n;
        return false;
    }
    k->n_lines++;
    limit->last = (size_t)(k - limit->kinds);
    if (ret_n_suppressed)
        *ret_n_suppressed = limit->n_suppressed;
    limit->n_suppressed = 0;
    return true;
}
