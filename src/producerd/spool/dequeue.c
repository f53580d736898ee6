/* SPDX-License-Identifier: MIT */
/* Takes messages out of the spool, and settles them. Rows are read in order, once, behind a cursor.
 * Rows of a group with enough messages in flight are skipped, and read again by their group later
 * (groups.h). A damaged row is moved to the table of rejected messages, so that it does not hold up
 * the others. */
#include "producerd/spool/spool-internal.h"
#include "util/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#define COLUMNS                                                                                    \
    "number, id, group_id, deduplication_id, delay_sec, bytes, attributes, body, %s, since_usec"   \
    " FROM waiting LEFT JOIN sending USING (number)"

#define COPIED "id, group_id, deduplication_id, delay_sec, bytes, attributes, body"

int spool_dequeue_prepare(struct spool *s)
{
    const struct {
        struct statement **statement;
        const char *sql, *with, *without;
    } all[] = {
        {&s->next, "SELECT " COLUMNS " WHERE number > ?1 ORDER BY number", "checksum", "NULL"},
        {&s->next_of_group,
         "SELECT " COLUMNS " WHERE group_id = ?1 AND number BETWEEN ?2 AND ?3 ORDER BY number",
         "checksum", "NULL"},
        {&s->oldest, "SELECT min(number) FROM waiting WHERE number > 0", "", ""},
        {&s->mark, "INSERT OR IGNORE INTO sending VALUES (?1, ?2)", "", ""},
        {&s->unmark, "DELETE FROM sending WHERE number = ?1", "", ""},
        {&s->remove, "DELETE FROM waiting WHERE number = ?1", "", ""},
        {&s->reject,
         "INSERT INTO rejected (number, rejected_usec, reason, " COPIED "%s)"
         " SELECT number, ?2, ?3, " COPIED "%s FROM waiting WHERE number = ?1",
         ", checksum", ""},
        /* Casts every column to the type that the table wants: a damaged row may have any type. */
        {&s->reject_damaged,
         "INSERT INTO rejected (number, rejected_usec, reason, " COPIED ")"
         " SELECT ?4, ?2, ?3, CAST(ifnull(id, '') AS TEXT), CAST(group_id AS TEXT),"
         " CAST(deduplication_id AS TEXT), CAST(ifnull(delay_sec, -1) AS INTEGER),"
         " CAST(ifnull(" SPOOL_SQL_BYTES ", 0) AS INTEGER), CAST(ifnull(attributes, '') AS BLOB),"
         " CAST(ifnull(body, '') AS TEXT) FROM waiting WHERE number = ?1",
         "", ""},
    };
    int r = 0;

    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(all); i++)
        r = spool_prepare(s, all[i].sql, all[i].with, all[i].without, all[i].statement);
    return r;
}

/* Others borrow messages as const; the spool owns them. */
static struct spool_message *writable(const struct spool_message *m)
{
    return (struct spool_message *)(uintptr_t)m;
}

uint64_t spool_next_number(const struct spool *s)
{
    return s->next_number;
}

uint64_t spool_oldest_number(struct spool *s)
{
    uint64_t number = 0;

    if (statement_step(s->oldest) != STATEMENT_ROW)
        return 0;
    number = (uint64_t)statement_int(s->oldest, 0);
    statement_reset(s->oldest);
    return number;
}

/* --- Damaged rows --- */

const struct spool_damaged_row *spool_last_damaged_row(const struct spool *s)
{
    return &s->damaged_row;
}

/* The rejected row gets a new number, because the row's own may be taken in that table. */
static int write_damaged(struct spool *s, int64_t number)
{
    int r = database_begin(s->database, DATABASE_UNSYNCED);

    if (r < 0)
        return r;
    statement_bind_int(s->reject_damaged, 1, number);
    statement_bind_int(s->reject_damaged, 2, (int64_t)clock_wall_usec());
    statement_bind_text(s->reject_damaged, 3, s->damaged_row.reason);
    statement_bind_int(s->reject_damaged, 4, (int64_t)s->next_number);
    r = statement_step(s->reject_damaged);
    if (r >= 0) {
        statement_bind_int(s->remove, 1, number);
        r = statement_step(s->remove);
    }
    if (r >= 0) {
        statement_bind_int(s->unmark, 1, number);
        r = statement_step(s->unmark);
    }
    if (r >= 0)
        return database_commit(s->database);
    database_rollback(s->database);
    return r;
}

/* Moves the row at which the statement stands to the rejected ones, and resets the statement.
 * Returns SPOOL_E_DAMAGED_ROW or -EUCLEAN. */
static int set_row_aside(struct spool *s, struct statement *row, const char *reason)
{
    int64_t number = statement_int(row, SPOOL_COLUMN_NUMBER);
    int r;

    snprintf(s->damaged_row.id, sizeof(s->damaged_row.id), "%s", spool_row_id(row));
    s->damaged_row.reason = reason;
    statement_reset(row);
    r = write_damaged(s, number);
    if (spool_may_retry(s, r))
        r = write_damaged(s, number);
    s->damaged_row.error = r;
    if (r == -EUCLEAN)
        return r;
    if (r >= 0) {
        s->next_number++;
        s->counts.waiting--;
        s->counts.rejected++;
        s->is_unsynced = true;
    }
    return SPOOL_E_DAMAGED_ROW;
}

/* There are few of them, unless the whole file is damaged. */
int spool_set_wrong_numbers_aside(struct spool *s)
{
    struct statement *find;
    int r = spool_prepare(s, "SELECT " COLUMNS " WHERE number < 1 OR number > ?1 LIMIT 1", "NULL",
                          "NULL", &find);

    while (r >= 0) {
        statement_bind_int(find, 1, SPOOL_NUMBER_MAX);
        r = statement_step(find);
        if (r <= 0)
            return r;
        r = set_row_aside(s, find, "the row is damaged: its number is not valid");
        if (r >= 0)
            r = s->damaged_row.error;
    }
    return r;
}

/* --- The next --- */

enum { ROW_SKIPPED = 100 };

/* Reads the next row of a lagging group. Returns 0, SPOOL_E_NOT_YET, SPOOL_E_DAMAGED_ROW, or a
 * negative errno. */
static int next_lagging(struct spool *s, struct spool_message **ret)
{
    const char *group_id;
    uint64_t from;

    while (s->groups && (group_id = spool_groups_next_lagging(s->groups, &from))) {
        const char *fault;
        int r;

        statement_bind_text(s->next_of_group, 1, group_id);
        statement_bind_int(s->next_of_group, 2, (int64_t)from);
        statement_bind_int(s->next_of_group, 3, (int64_t)s->cursor);
        r = statement_step(s->next_of_group);
        if (r < 0)
            return r;
        if (r == 0) {
            spool_groups_caught_up(s->groups);
            continue;
        }
        /* The index disagrees with its table. */
        if (!streq(statement_text(s->next_of_group, SPOOL_COLUMN_GROUP_ID, NULL), group_id)) {
            r = statement_is_out_of_memory(s->next_of_group) ? -ENOMEM : -EUCLEAN;
            statement_reset(s->next_of_group);
            return r;
        }
        r = spool_row_read(s->next_of_group, ret, &fault);
        if (r == SPOOL_ROW_E_DAMAGED && statement_is_out_of_memory(s->next_of_group))
            r = -ENOMEM;
        if (r >= 0)
            spool_groups_lagging_found(
                s->groups, (uint64_t)statement_int(s->next_of_group, SPOOL_COLUMN_NUMBER));
        if (r == SPOOL_ROW_E_DAMAGED) {
            spool_groups_done(s->groups,
                              statement_text(s->next_of_group, SPOOL_COLUMN_GROUP_ID, NULL));
            return set_row_aside(s, s->next_of_group, fault);
        }
        statement_reset(s->next_of_group);
        return r;
    }
    return SPOOL_E_NOT_YET;
}

static enum group_decision decide(struct spool *s, struct statement *row)
{
    return s->groups
               ? spool_groups_decide(s->groups, statement_text(row, SPOOL_COLUMN_GROUP_ID, NULL),
                                     (uint64_t)statement_int(row, SPOOL_COLUMN_NUMBER))
               : GROUP_TAKE;
}

/* Handles the next row in order. Returns 0 when its message was taken, ROW_SKIPPED, SPOOL_E_NOT_YET
 * when this row and all later ones must wait, SPOOL_E_DAMAGED_ROW (the statement is reset then), or
 * a negative errno. */
static int take_row(struct spool *s, struct statement *row, struct spool_message **ret)
{
    uint64_t number = (uint64_t)statement_int(row, SPOOL_COLUMN_NUMBER);
    const char *fault = spool_row_group_fault(row, s->groups);
    int r = SPOOL_ROW_E_DAMAGED;

    if (!fault) {
        switch (decide(s, row)) {
        case GROUP_STOP:
            return SPOOL_E_NOT_YET;
        case GROUP_SKIP:
            s->cursor = number;
            return ROW_SKIPPED;
        case GROUP_TAKE:
            break;
        }
        r = spool_row_read(row, ret, &fault);
        if (r != 0 && s->groups)
            spool_groups_done(s->groups, statement_text(row, SPOOL_COLUMN_GROUP_ID, NULL));
    }
    /* A row that could not be read for lack of memory is not damaged. */
    if (r == SPOOL_ROW_E_DAMAGED && statement_is_out_of_memory(row))
        r = -ENOMEM;
    if (r < 0)
        return r;
    s->cursor = number;
    return r == SPOOL_ROW_E_DAMAGED ? set_row_aside(s, row, fault) : 0;
}

/* Reads the next row in order. Returns like next_lagging, or SPOOL_E_LATER. */
static int next_in_order(struct spool *s, struct spool_message **ret)
{
    int r;

    statement_bind_int(s->next, 1, (int64_t)s->cursor);
    for (unsigned n_skipped = 0; (r = statement_step(s->next)) == STATEMENT_ROW;) {
        r = take_row(s, s->next, ret);
        if (r == ROW_SKIPPED && ++n_skipped < SPOOL_SKIPPED_MAX)
            continue;
        statement_reset(s->next);
        return r == ROW_SKIPPED ? SPOOL_E_LATER : r;
    }
    return r < 0 ? r : SPOOL_E_NOT_YET;
}

/* Checks the whole file after a sign of damage. That may take longer than the watchdog allows: 225
 * GiB take an hour at 64 MiB/s. So the watchdog's time is raised meanwhile. */
static int check_file(struct spool *s, int r)
{
    uint64_t watchdog_usec;

    if (r != -EUCLEAN || sd_watchdog_enabled(0, &watchdog_usec) <= 0)
        return database_recheck(s->database, r);
    sd_notifyf(0, "WATCHDOG_USEC=%" PRIu64, SPOOL_CHECK_MAX_SEC * USEC_PER_SEC);
    r = database_recheck(s->database, r);
    sd_notifyf(0, "WATCHDOG_USEC=%" PRIu64, watchdog_usec);
    return r;
}

int spool_next(struct spool *s, const struct spool_message **ret)
{
    struct spool_message *m = NULL;
    int r;

    if (s->has_failed || s->in_flight_bytes >= SPOOL_IN_FLIGHT_MAX_BYTES)
        return SPOOL_E_NOT_YET;
    r = next_lagging(s, &m);
    if (r == SPOOL_E_NOT_YET)
        r = next_in_order(s, &m);
    if (r != 0)
        return check_file(s, r);
    list_append(&s->in_flight, &m->link);
    s->in_flight_bytes += m->row.bytes;
    *ret = m;
    return 0;
}

/* --- Sent, or not --- */

int spool_write_settled(struct spool *s)
{
    int r = 0;

    LIST_FOREACH(&s->settled, link)
    {
        const struct spool_message *m = spool_message_of(link);

        if (r < 0)
            break;
        if (m->is_rejected) {
            statement_bind_int(s->reject, 1, (int64_t)m->number);
            statement_bind_int(s->reject, 2, (int64_t)m->settled_usec);
            statement_bind_text(s->reject, 3, m->reason ? m->reason : "");
            r = statement_step(s->reject);
        }
        if (r >= 0) {
            statement_bind_int(s->remove, 1, (int64_t)m->number);
            r = statement_step(s->remove);
        }
        if (r >= 0) {
            statement_bind_int(s->unmark, 1, (int64_t)m->number);
            r = statement_step(s->unmark);
        }
    }
    return r;
}

static int write_marks(struct spool *s, const struct spool_message *const *messages, size_t n,
                       uint64_t now_usec)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < n; i++) {
        if (messages[i]->is_marked)
            continue;
        statement_bind_int(s->mark, 1, (int64_t)messages[i]->number);
        statement_bind_int(s->mark, 2, (int64_t)now_usec);
        r = statement_step(s->mark);
    }
    return r;
}

static int write_unsynced(struct spool *s, const struct spool_message *const *messages, size_t n,
                          uint64_t now_usec)
{
    int r = database_begin(s->database, DATABASE_UNSYNCED);

    if (r < 0)
        return r;
    r = spool_write_settled(s);
    if (r >= 0)
        r = write_marks(s, messages, n, now_usec);
    if (r >= 0)
        return database_commit(s->database);
    database_rollback(s->database);
    return r;
}

int spool_mark_sending(struct spool *s, const struct spool_message *const *messages, size_t n,
                       uint64_t now_usec)
{
    size_t n_new = 0;
    int r;

    for (size_t i = 0; i < n; i++)
        n_new += !messages[i]->is_marked;
    if (n_new == 0 && list_is_empty(&s->settled))
        return 0;
    r = write_unsynced(s, messages, n, now_usec);
    if (spool_may_retry(s, r))
        r = write_unsynced(s, messages, n, now_usec);
    if (r < 0) {
        s->has_failed = s->has_failed || !list_is_empty(&s->settled);
        return r;
    }
    for (size_t i = 0; i < n; i++)
        writable(messages[i])->is_marked = true;
    spool_messages_free(&s->settled);
    s->is_unsynced = true;
    s->has_failed = false;
    return 0;
}

int spool_flush(struct spool *s)
{
    return spool_mark_sending(s, NULL, 0, 0);
}

/* Cuts a long reason between two characters. */
static char *copy_reason(const char *reason)
{
    size_t size = strlen(reason);

    if (size > SPOOL_REASON_MAX_BYTES)
        for (size = SPOOL_REASON_MAX_BYTES;
             size > 0 && ((unsigned char)reason[size] & 0xc0) == 0x80;)
            size--;
    return strndup(reason, size);
}

void spool_settle(struct spool *s, const struct spool_message *message, const char *reason,
                  uint64_t now_usec)
{
    struct spool_message *m = writable(message);

    list_remove(&m->link);
    list_append(&s->settled, &m->link);
    s->in_flight_bytes -= m->row.bytes;
    if (s->groups)
        spool_groups_done(s->groups, m->row.group_id);
    m->settled_usec = now_usec;
    m->is_rejected = reason;
    m->reason = reason ? copy_reason(reason) : NULL; /* no memory: no reason */
    s->counts.waiting--;
    if (reason)
        s->counts.rejected++;
    else
        s->counts.bytes -= m->row.bytes;
}
