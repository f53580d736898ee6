/* SPDX-License-Identifier: MIT */
#include "producerd/spool/internal.h"

#include <errno.h>
#include <stdio.h>

void spool_list_append(struct spool_list *list, struct spool_message *m)
{
    m->previous = list->last;
    m->next = NULL;
    *(list->last ? &list->last->next : &list->first) = m;
    list->last = m;
}

void spool_list_remove(struct spool_list *list, struct spool_message *m)
{
    *(m->previous ? &m->previous->next : &list->first) = m->next;
    *(m->next ? &m->next->previous : &list->last) = m->previous;
    m->previous = m->next = NULL;
}

void spool_list_free(struct spool_list *list)
{
    while (list->first) {
        struct spool_message *m = list->first;

        spool_list_remove(list, m);
        spool_message_free(m);
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
