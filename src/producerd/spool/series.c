/* SPDX-License-Identifier: MIT */
/* How far each series of messages has come: a table with a row for each, written with its messages.
 * `used` is the number of the waiting messages at that time. The rows that were not used for longest
 * are removed when there are too many. */
#include "producerd/spool/spool-internal.h"

enum { REMOVED_AT_ONCE = 1000 };

static int count(struct spool *s)
{
    int r;

    if (!s->has_series)
        return 0;
    r = statement_step(s->count_series);
    if (r != STATEMENT_ROW)
        return r;
    s->n_series = (uint64_t)statement_int(s->count_series, 0);
    statement_reset(s->count_series);
    return 0;
}

int spool_series_prepare(struct spool *s)
{
    int r;

    if (!s->has_series)
        return 0;
    r = database_prepare(s->database, "SELECT number, refused FROM series WHERE id = ?1",
                         &s->read_series);
    if (r >= 0)
        r = database_prepare(
            s->database,
            "INSERT INTO series VALUES (?1, ?2, ?3, ?4) ON CONFLICT (id) DO UPDATE SET "
            "number = ?2, used = ?3, refused = ?4",
            &s->write_series);
    if (r >= 0)
        r = database_prepare(s->database, "SELECT count(*) FROM series", &s->count_series);
    if (r >= 0)
        r = database_prepare(s->database,
                             "DELETE FROM series WHERE id IN (SELECT id FROM series ORDER BY used "
                             "LIMIT ?1)",
                             &s->remove_series);
    return r < 0 ? r : count(s);
}

static int take_row(struct spool *s, struct store_series *series)
{
    int64_t number = statement_int(s->read_series, 0);
    size_t size;
    const void *refused = statement_blob(s->read_series, 1, &size);

    if (statement_is_out_of_memory(s->read_series))
        return -ENOMEM;
    if (number <= 0 || size != sizeof(series->refused))
        return -EUCLEAN;
    series->number = (uint64_t)number;
    memcpy(series->refused, refused, size);
    return 0;
}

int spool_read_series(struct spool *s, struct store_series *series)
{
    int r;

    if (!s->has_series)
        return -ENOSPC; /* that was the reason when the file was opened */
    statement_bind_text(s->read_series, 1, series->id);
    r = statement_step(s->read_series);
    if (r < 0)
        return r;
    series->number = 0;
    memset(series->refused, 0, sizeof(series->refused));
    if (r != STATEMENT_ROW)
        return 0;
    r = take_row(s, series);
    statement_reset(s->read_series);
    return r;
}

void spool_note_series(struct spool *s, struct store_series *series)
{
    list_append(&s->series, &series->link);
}

int spool_write_series(struct spool *s)
{
    LIST_FOREACH(&s->series, link)
    {
        const struct store_series *series = CONTAINER_OF(link, struct store_series, link);
        int r;

        statement_bind_text(s->write_series, 1, series->id);
        statement_bind_int(s->write_series, 2, (int64_t)series->number);
        statement_bind_int(s->write_series, 3, (int64_t)s->next_number);
        statement_bind_blob(s->write_series, 4, series->refused, sizeof(series->refused));
        r = statement_step(s->write_series);
        if (r < 0)
            return r;
        s->n_series++; /* at most: it may be a row that is there */
    }
    if (s->n_series <= SPOOL_SERIES_MAX)
        return 0;
    statement_bind_int(s->remove_series, 1, REMOVED_AT_ONCE);
    return statement_step(s->remove_series);
}

void spool_forget_series(struct spool *s)
{
    while (!list_is_empty(&s->series))
        list_remove(s->series.next);
    if (s->n_series > SPOOL_SERIES_MAX)
        (void)count(s);
}
