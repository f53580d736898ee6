/* What goes out of the spool, see spool.h. Rows are read in order once, behind a cursor; what was
 * passed over on the way is read again by its group (spool-groups.h). */
#include "spool-internal.h"

#include <errno.h>

#define COLUMNS                                                                                    \
    "number, id, group_id, deduplication_id, delay_sec, bytes, attributes, body, since_usec"       \
    " FROM waiting LEFT JOIN sending USING (number)"

int spool_out_prepare(struct spool *s)
{
    const struct {
        struct statement **statement;
        const char *sql;
    } all[] = {
        {&s->next, "SELECT " COLUMNS " WHERE number > ?1 ORDER BY number"},
        {&s->next_of_group,
         "SELECT " COLUMNS " WHERE group_id = ?1 AND number BETWEEN ?2 AND ?3 ORDER BY number"},
        {&s->mark, "INSERT OR IGNORE INTO sending VALUES (?1, ?2)"},
        {&s->unmark, "DELETE FROM sending WHERE number = ?1"},
        {&s->remove, "DELETE FROM waiting WHERE number = ?1"},
        {&s->reject,
         "INSERT INTO rejected SELECT number, id, group_id, deduplication_id, delay_sec, bytes,"
         " attributes, body, ?2, ?3 FROM waiting WHERE number = ?1"},
    };
    int r = 0;

    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(all); i++)
        r = database_prepare(s->database, all[i].sql, all[i].statement);
    return r;
}

/* What others have borrowed is ours. */
static struct spool_message *writable(const struct spool_message *m)
{
    return (struct spool_message *)(uintptr_t)m;
}

/* --- The next --- */

/* The row that the statement stands at. */
static int read_row(struct statement *row, struct spool_message **ret)
{
    struct spool_row fields = {
        .id = statement_text(row, 1, NULL),
        .group_id = statement_is_null(row, 2) ? NULL : statement_text(row, 2, NULL),
        .deduplication_id = statement_is_null(row, 3) ? NULL : statement_text(row, 3, NULL),
        .delay_sec = (int)statement_int(row, 4),
        .bytes = (size_t)statement_int(row, 5),
    };
    int r;

    fields.attributes = statement_blob(row, 6, &fields.attributes_bytes);
    fields.body = statement_text(row, 7, &fields.body_bytes);
    r = spool_message_new(&fields, ret);
    if (r < 0)
        return r;
    (*ret)->number = (uint64_t)statement_int(row, 0);
    (*ret)->head.first_unknown_usec = (uint64_t)statement_int(row, 8);
    (*ret)->is_marked = !statement_is_null(row, 8);
    return 0;
}

/* Of a group that was passed over and has room now. 0, SPOOL_E_NOT_YET, or a negative errno. */
static int next_behind(struct spool *s, struct spool_message **ret)
{
    const char *group_id;
    uint64_t from;

    while (s->groups && (group_id = spool_groups_behind(s->groups, &from))) {
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
        r = read_row(s->next_of_group, ret);
        if (r == 0)
            spool_groups_found(s->groups, (*ret)->number);
        statement_reset(s->next_of_group);
        return r;
    }
    return SPOOL_E_NOT_YET;
}

static enum spool_turn turn_of(struct spool *s, struct statement *row)
{
    return s->groups ? spool_groups_turn(s->groups, statement_text(row, 2, NULL),
                                         (uint64_t)statement_int(row, 0))
                     : SPOOL_TURN_TAKE;
}

/* The same in order. */
static int next_in_order(struct spool *s, struct spool_message **ret)
{
    unsigned n_passed = 0;
    int r;

    statement_bind_int(s->next, 1, (int64_t)s->cursor);
    while ((r = statement_step(s->next)) == STATEMENT_ROW) {
        enum spool_turn turn = turn_of(s, s->next);

        if (turn == SPOOL_TURN_TAKE)
            r = read_row(s->next, ret);
        if (turn == SPOOL_TURN_TAKE && r < 0 && s->groups)
            spool_groups_done(s->groups, statement_text(s->next, 2, NULL));
        if (turn == SPOOL_TURN_PASS)
            r = ++n_passed == SPOOL_PASSED_MAX ? SPOOL_E_LATER : STATEMENT_ROW;
        if (turn != SPOOL_TURN_STOP && r >= 0)
            s->cursor = (uint64_t)statement_int(s->next, 0);
        if (turn == SPOOL_TURN_PASS && n_passed < SPOOL_PASSED_MAX)
            continue;
        statement_reset(s->next);
        return turn == SPOOL_TURN_STOP ? SPOOL_E_NOT_YET : r;
    }
    return r < 0 ? r : SPOOL_E_NOT_YET;
}

int spool_next(struct spool *s, const struct spool_message **ret)
{
    struct spool_message *m;
    int r;

    if (s->has_failed || s->out_bytes >= SPOOL_OUT_MAX_BYTES)
        return SPOOL_E_NOT_YET;
    r = next_behind(s, &m);
    if (r == SPOOL_E_NOT_YET)
        r = next_in_order(s, &m);
    if (r != 0)
        return database_look_again(s->database, r);
    spool_list_append(&s->out, m);
    s->out_bytes += m->row.bytes;
    *ret = m;
    return 0;
}

/* --- Sent, or not --- */

int spool_write_settled(struct spool *s)
{
    int r = 0;

    for (const struct spool_message *m = s->settled.first; r >= 0 && m; m = m->next) {
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
    if (n_new == 0 && !s->settled.first)
        return 0;
    r = write_unsynced(s, messages, n, now_usec);
    if (spool_may_try_again(s, r))
        r = write_unsynced(s, messages, n, now_usec);
    if (r < 0) {
        s->has_failed = s->has_failed || s->settled.first;
        return r;
    }
    for (size_t i = 0; i < n; i++)
        writable(messages[i])->is_marked = true;
    spool_list_free(&s->settled);
    s->is_unsynced = true;
    s->has_failed = false;
    return 0;
}

int spool_flush(struct spool *s)
{
    return spool_mark_sending(s, NULL, 0, 0);
}

/* Cut between two characters, not within one. */
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

    spool_list_remove(&s->out, m);
    spool_list_append(&s->settled, m);
    s->out_bytes -= m->row.bytes;
    if (s->groups)
        spool_groups_done(s->groups, m->row.group_id);
    m->settled_usec = now_usec;
    m->is_rejected = reason;
    m->reason = reason ? copy_reason(reason) : NULL; /* without memory: without a reason */
    s->counts.waiting--;
    if (reason)
        s->counts.rejected++;
    else
        s->counts.bytes -= m->row.bytes;
}
