/* SPDX-License-Identifier: MIT */
#include "util/log-rate-limit.h"

#include <stdio.h>

bool log_rate_limit_is_spent(const struct log_rate_limit *limit)
{
    return limit->n_lines >= MAX(limit->lines_max, 1U);
}

bool log_rate_limit_take(struct log_rate_limit *limit, const char *kind, uint64_t n,
                         uint64_t now_usec, uint64_t *ret_n_suppressed)
{
    char cut[LOG_RATE_LIMIT_KIND_SIZE];

    snprintf(cut, sizeof(cut), "%s", kind);
    if (limit->n_lines == 0 || !streq(cut, limit->kind) ||
        now_usec - limit->begin_usec >= LOG_RATE_LIMIT_INTERVAL_USEC) {
        limit->n_lines = 0;
        limit->begin_usec = now_usec;
        memcpy(limit->kind, cut, sizeof(cut));
    }
    if (log_rate_limit_is_spent(limit)) {
        limit->n_suppressed += n;
        return false;
    }
    limit->n_lines++;
    if (ret_n_suppressed)
        *ret_n_suppressed = limit->n_suppressed;
    limit->n_suppressed = 0;
    return true;
}
