/* SPDX-License-Identifier: MIT */
#include "producerd/spool/ages.h"

#define INTERVAL_MIN_USEC (1 * USEC_PER_SEC)

/* Joins each two marks. */
static void thin_out(struct spool_ages *a)
{
    for (size_t i = 0; i < a->n / 2; i++) {
        a->marks[i].usec = a->marks[2 * i].usec;
        a->marks[i].number = a->marks[2 * i + 1].number;
    }
    a->n /= 2;
    a->interval_usec *= 2;
}

void spool_ages_note(struct spool_ages *a, uint64_t next_number, uint64_t now_usec)
{
    if (a->n > 0 && a->marks[a->n - 1].number >= next_number)
        return;
    if (a->n > 0 && now_usec - a->marks[a->n - 1].usec < a->interval_usec) {
        a->marks[a->n - 1].number = next_number;
        return;
    }
    if (a->n == SPOOL_AGES_MAX)
        thin_out(a);
    if (a->n == 0)
        a->interval_usec = INTERVAL_MIN_USEC;
    a->marks[a->n].number = next_number;
    a->marks[a->n].usec = now_usec;
    a->n++;
}

uint64_t spool_ages_oldest_usec(struct spool_ages *a, uint64_t number, uint64_t now_usec)
{
    size_t n_old = 0;

    while (n_old < a->n && a->marks[n_old].number <= number)
        n_old++;
    memmove(a->marks, a->marks + n_old, (a->n - n_old) * sizeof(a->marks[0]));
    a->n -= n_old;
    return a->n > 0 ? now_usec - MIN(a->marks[0].usec, now_usec) : 0;
}
