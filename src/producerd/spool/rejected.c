/* SPDX-License-Identifier: MIT */
/* Rejected messages: SQS or the spool's own checks have set them aside, and an administrator lists,
 * retries or drops them. */
#include "producerd/spool/spool-internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { RENUMBERED_MAX = 1000 }; /* rows, at each start */

#define COPIED "id, group_id, deduplication_id, delay_sec, bytes, attributes, body"

#define CAN_GO "(group_id IS NOT NULL OR NOT ?3)" /* ?3: the queue is a FIFO queue */

int spool_rejected_prepare(struct spool *s)
{
    const struct {
        struct statement **statement;
        const char *sql, *with, *without;
    } all[] = {
        {&s->list,
         "SELECT number, id, group_id, " SPOOL_SQL_BYTES ", rejected_usec, reason"
         " FROM rejected WHERE number > ?1 ORDER BY number LIMIT ?2",
         "", ""},
        {&s->select,
         "SELECT number, " SPOOL_SQL_BYTES ", id FROM rejected WHERE " CAN_GO
         " ORDER BY number LIMIT ?2",
         "", ""},
        {&s->select_id,
         "SELECT number, " SPOOL_SQL_BYTES ", id FROM rejected WHERE id = ?1 AND " CAN_GO, "", ""},
        {&s->find_groupless,
         "SELECT 1 FROM rejected WHERE group_id IS NULL AND (?1 IS NULL OR id = ?1) LIMIT 1", "",
         ""},
        {&s->read_rejected, "SELECT number, " COPIED ", %s, NULL FROM rejected WHERE number = ?1",
         "checksum", "NULL"},
        {&s->retry,
         "INSERT INTO waiting (number, " COPIED "%s)"
         " SELECT ?2, " COPIED "%s FROM rejected WHERE number = ?1",
         ", checksum", ""},
        {&s->convert,
         "UPDATE waiting SET deduplication_id = ?2, delay_sec = ?3%s WHERE number = ?1",
         ", checksum = ?4", ""},
        {&s->drop, "DELETE FROM rejected WHERE number = ?1", "", ""},
    };
    int r = 0;

    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(all); i++)
        r = spool_prepare(s, all[i].sql, all[i].with, all[i].without, all[i].statement);
    return r;
}

/* Returns 0 when there is no such row, 1 when one was renumbered, or a negative errno. */
static int renumber_one(struct spool *s, struct statement *find, struct statement *renumber)
{
    int64_t number;
    int r;

    statement_bind_int(find, 1, SPOOL_NUMBER_MAX);
    r = statement_step(find);
    if (r <= 0)
        return r;
    number = statement_int(find, 0);
    statement_reset(find);
    r = database_begin(s->database, DATABASE_UNSYNCED);
    if (r < 0)
        return r;
    statement_bind_int(renumber, 1, number);
    statement_bind_int(renumber, 2, (int64_t)s->next_number);
    r = statement_step(renumber);
    if (r >= 0)
        r = database_commit(s->database);
    else
        database_rollback(s->database);
    if (r < 0)
        return r;
    s->next_number++;
    return 1;
}

int spool_renumber_rejected(struct spool *s)
{
    struct statement *find, *renumber;
    int r = database_prepare(s->database,
                             "SELECT number FROM rejected WHERE number < 1 OR number > ?1"
                             " OR number IN (SELECT number FROM waiting) LIMIT 1",
                             &find);

    if (r >= 0)
        r = database_prepare(s->database, "UPDATE rejected SET number = ?2 WHERE number = ?1",
                             &renumber);
    if (r < 0)
        return r;
    for (int n = 0; n < RENUMBERED_MAX; n++) {
        r = renumber_one(s, find, renumber);
        if (r <= 0)
            return r;
    }
    return 0;
}

int spool_rejected(struct spool *s, uint64_t after,
                   bool (*found)(void *userdata, const struct rejected_message *message),
                   void *userdata)
{
    int r;

    statement_bind_int(s->list, 1, (int64_t)after);
    statement_bind_int(s->list, 2, STORE_REJECTED_PAGE);
    while ((r = statement_step(s->list)) == STATEMENT_ROW) {
        struct rejected_message message = {
            .number = (uint64_t)statement_int(s->list, 0),
            .id = statement_text(s->list, 1, NULL),
            .group_id = statement_is_null(s->list, 2) ? NULL : statement_text(s->list, 2, NULL),
            .bytes = (size_t)statement_int(s->list, 3),
            .rejected_usec = (uint64_t)MAX(statement_int(s->list, 4), INT64_C(0)),
            .reason = statement_text(s->list, 5, NULL),
        };

        if (!found(userdata, &message)) {
            statement_reset(s->list);
            return 0;
        }
    }
    return r;
}

/* The rows of one command. */
struct selection {
    uint64_t numbers[STORE_BULK_MAX];
    char ids[STORE_DROPPED_IDS_MAX][UUID_TEXT_SIZE]; /* of the first ones */
    size_t n;
    uint64_t bytes;
    bool is_cut;        /* further rows are left */
    bool has_groupless; /* rows without a group are left, which a FIFO queue does not accept */
};

static int find_groupless(struct spool *s, const char *id, bool *ret)
{
    int r;

    statement_bind_text(s->find_groupless, 1, id);
    r = statement_step(s->find_groupless);
    if (r < 0)
        return r;
    *ret = r == STATEMENT_ROW;
    statement_reset(s->find_groupless);
    return 0;
}

static int select_rows(struct spool *s, const char *id, bool is_retry, struct selection *ret)
{
    struct statement *statement = id ? s->select_id : s->select;
    bool needs_group = is_retry && s->options.is_fifo;
    int r;

    *ret = (struct selection){};
    if (id)
        statement_bind_text(statement, 1, id);
    else
        statement_bind_int(statement, 2, STORE_BULK_MAX + 1);
    statement_bind_int(statement, 3, needs_group);
    while ((r = statement_step(statement)) == STATEMENT_ROW) {
        if (ret->n == STORE_BULK_MAX || ret->bytes >= STORE_BULK_MAX_BYTES) {
            ret->is_cut = true;
            statement_reset(statement);
            break;
        }
        if (ret->n < STORE_DROPPED_IDS_MAX)
            snprintf(ret->ids[ret->n], sizeof(ret->ids[0]), "%s",
                     statement_text(statement, 2, NULL));
        ret->numbers[ret->n++] = (uint64_t)statement_int(statement, 0);
        ret->bytes += (uint64_t)statement_int(statement, 1);
    }
    return r >= 0 && needs_group ? find_groupless(s, id, &ret->has_groupless) : MIN(r, 0);
}

/* Reads a rejected row. *ret is NULL when the row is damaged. Returns 0 or a negative errno. */
static int read_rejected(struct spool *s, uint64_t number, struct spool_message **ret,
                         bool *ret_has_checksum)
{
    const char *fault;
    int r;

    statement_bind_int(s->read_rejected, 1, (int64_t)number);
    r = statement_step(s->read_rejected);
    if (r <= 0)
        return r;
    r = spool_row_read(s->read_rejected, ret, &fault);
    if (r == SPOOL_ROW_E_DAMAGED && statement_is_out_of_memory(s->read_rejected))
        r = -ENOMEM;
    *ret_has_checksum = !statement_is_null(s->read_rejected, SPOOL_COLUMN_CHECKSUM);
    statement_reset(s->read_rejected);
    return MIN(r, 0);
}

/* Converts the row `number` for this kind of queue, if its message was submitted for the other
 * kind. A damaged row stays unchanged: it is set aside again when it is read. */
static int convert(struct spool *s, struct spool_message *m, bool has_checksum, uint64_t number)
{
    struct spool_row row = m->row;

    if (!s->options.is_fifo)
        row.deduplication_id = NULL;
    else if (!row.deduplication_id)
        row.deduplication_id = row.id;
    if (s->options.is_fifo && row.delay_sec > 0)
        row.delay_sec = -1;
    if (row.deduplication_id == m->row.deduplication_id && row.delay_sec == m->row.delay_sec)
        return 0;
    statement_bind_int(s->convert, 1, (int64_t)number);
    statement_bind_text(s->convert, 2, row.deduplication_id);
    statement_bind_int(s->convert, 3, row.delay_sec);
    if (has_checksum)
        statement_bind_int(s->convert, 4, (int64_t)spool_row_checksum(&row));
    return statement_step(s->convert);
}

static int write_retry(struct spool *s, uint64_t number, uint64_t new_number)
{
    CLEANUP(spool_message_free) struct spool_message *m = NULL;
    bool has_checksum = false;
    int r = read_rejected(s, number, &m, &has_checksum);

    if (r < 0)
        return r;
    statement_bind_int(s->retry, 1, (int64_t)number);
    statement_bind_int(s->retry, 2, (int64_t)new_number);
    r = statement_step(s->retry);
    return r >= 0 && m ? convert(s, m, has_checksum, new_number) : r;
}

static int write_selection(struct spool *s, const struct selection *selection, bool is_retry)
{
    int r = database_begin(s->database, DATABASE_SYNCED);

    if (r < 0)
        return r;
    for (size_t i = 0; r >= 0 && i < selection->n; i++) {
        if (is_retry)
            r = write_retry(s, selection->numbers[i], s->next_number + i);
        if (r >= 0) {
            statement_bind_int(s->drop, 1, (int64_t)selection->numbers[i]);
            r = statement_step(s->drop);
        }
    }
    if (r >= 0)
        return database_commit(s->database);
    database_rollback(s->database);
    return r;
}

static void count_selection(struct spool *s, const struct selection *selection, bool is_retry)
{
    s->counts.rejected -= selection->n;
    if (is_retry) {
        s->next_number += selection->n;
        s->counts.waiting += selection->n;
    } else {
        s->counts.bytes -= selection->bytes;
    }
}

/* Writes the settled messages first, so that the list that an administrator sees includes them. */
static int run_command(struct spool *s, const char *id, bool is_retry, struct selection *ret)
{
    int r = spool_flush(s);

    if (r >= 0)
        r = select_rows(s, id, is_retry, ret);
    if (r < 0)
        return r;
    if (ret->n == 0 && ret->has_groupless)
        return STORE_E_NO_GROUP;
    if (ret->n == 0 && id)
        return STORE_E_NO_SUCH_ID;
    r = ret->n > 0 ? write_selection(s, ret, is_retry) : 0;
    /* Messages are often dropped because the disk is full. */
    if (!is_retry && spool_may_retry(s, r))
        r = write_selection(s, ret, false);
    if (r < 0)
        return r;
    count_selection(s, ret, is_retry);
    return ret->is_cut || ret->has_groupless ? STORE_E_MORE : 0;
}

int spool_retry(struct spool *s, const char *id, size_t *ret_n)
{
    struct selection selection;
    int r = run_command(s, id, true, &selection);

    if (r == 0 || r == STORE_E_MORE)
        *ret_n = selection.n;
    return r;
}

int spool_drop(struct spool *s, const char *id, struct store_dropped *ret)
{
    struct selection selection;
    int r = run_command(s, id, false, &selection);

    if (r != 0 && r != STORE_E_MORE)
        return r;
    ret->n = selection.n;
    ret->n_ids = MIN(selection.n, (size_t)STORE_DROPPED_IDS_MAX);
    memcpy(ret->ids, selection.ids, sizeof(ret->ids));
    return r;
}
