/* SPDX-License-Identifier: MIT */
#include "producerd/spool/peek.h"

#include "util/database.h"

int spool_peek_waiting(const char *path, uint64_t *ret)
{
    int64_t n = 0;
    int r = database_peek(path, "SELECT count(*) FROM waiting", &n);

    if (r == 0)
        *ret = (uint64_t)n;
    return r > 0 ? SPOOL_PEEK_E_UNKNOWN : r;
}
