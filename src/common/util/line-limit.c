/* SPDX-License-Identifier: MIT */
#include "util/line-limit.h"

#include <stdio.h>

bool line_limit_is_spent(const struct line_limit *limit)
{
    return limit->n_lines >= MAX(limit->lines_max, 1U);
}

bool line_limit_take(struct line_limit *limit, const char *kind, uint64_t n, uint64_t now_usec,
                     uint64_t *ret_n_left_out)
{
    char cut[LINE_LIMIT_KIND_SIZE];

    snprintf(cut, sizeof(cut), "%s", kind);
    if (limit->n_lines == 0 || !streq(cut, limit->kind) ||
        now_usec - limit->begin_usec >= LINE_LIMIT_INTERVAL_USEC) {
        limit->n_lines = 0;
        limit->begin_usec = now_usec;
        memcpy(limit->kind, cut, sizeof(cut));
    }
    if (line_limit_is_spent(limit)) {
        limit->n_left_out += n;
        return false;
    }
    limit->n_lines++;
    if (ret_n_left_out)
        *ret_n_left_out = limit->n_left_out;
    limit->n_left_out = 0;
    return true;
}
