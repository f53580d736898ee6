/* SPDX-License-Identifier: MIT */
#include "producerd/spool/spool-internal.h"

#include <errno.h>
#include <stdio.h>

void spool_messages_free(struct list *list)
{
    struct list *link;

    while ((link = list_first(list))) {
        list_remove(link);
        spool_message_free(spool_message_of(link));
    }
}

int spool_prepare(struct spool *s, const char *sql, const char *with, const char *without,
                  struct statement **ret)
{
    const char *words = s->has_checksums ? with : without;
    CLEANUP(free) char *whole = NULL;
    const char *first = strstr(sql, "%s"), *second = first ? strstr(first + 2, "%s") : NULL;

    if (!first)
        return database_prepare(s->database, sql, ret);
    if (asprintf(&whole, "%.*s%s%.*s%s%s", (int)(first - sql), sql, words,
                 (int)(second ? second - first - 2 : (ptrdiff_t)strlen(first + 2)), first + 2,
                 second ? words : "", second ? second + 2 : "") < 0) {
        whole = NULL;
        return -ENOMEM;
    }
    return database_prepare(s->database, whole, ret);
}

bool spool_may_retry(struct spool *s, int r)
{
    s->is_disk_full = false;
    return r == -ENOSPC && disk_reserve_release(&s->reserve);
}
