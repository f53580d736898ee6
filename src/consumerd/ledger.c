/* SPDX-License-Identifier: MIT */
/* One table, in the order in which ids were added: the oldest are its first rows. The number of
 * rows is kept in memory twice, with and without the changes of the open transaction.
 *
 * A transaction is synced or not from its beginning, and removals alone need no sync. So the first
 * addition after removals commits those, and begins a synced transaction. */
#include "consumerd/ledger.h"

#include <errno.h>

#include "util/database.h"
#include "util/error-line.h"

/* How many ids a commit forgets at most, if it does not add more. */
enum { EXPIRE_MAX = 100 };

#define SEQUENCE_MAX "4611686018427387903" /* 2^62 - 1: no ledger adds so many */

struct ledger {
    struct database *database;
    struct statement *insert, *refresh, *remove, *find, *oldest, *forget;
    struct ledger_limits limits;
    enum database_durability durability; /* of the open transaction */
    int failure;                         /* since the last commit; 0: none */
    uint64_t n_added;                    /* since then */
    uint64_t n, n_committed;
    uint64_t n_crowded_out;
};

static const char *const migrations[] = {
    "CREATE TABLE handled ("
    " sequence INTEGER PRIMARY KEY,"
    " message_id TEXT NOT NULL UNIQUE,"
    " handled_sec INTEGER NOT NULL" /* since the epoch */
    ") STRICT",
};

/* --- Age --- */

static int64_t seconds(uint64_t usec)
{
    return (int64_t)(usec / USEC_PER_SEC);
}

/* An id from the far future is too old as well: it was added while the clock was wrong, and would
 * keep the ids behind it from being forgotten. */
static bool is_too_old(const struct ledger *l, int64_t handled_sec, uint64_t now_usec)
{
    int64_t max = seconds(l->limits.max_age_usec), now = seconds(now_usec);

    return handled_sec <= now - max || handled_sec >= now + max;
}

/* --- One transaction --- */

static int end(struct ledger *l)
{
    int r = l->failure;

    if (r == 0)
        r = database_commit(l->database);
    else
        database_rollback(l->database);
    l->failure = 0;
    l->n_added = 0;
    if (r < 0)
        l->n = l->n_committed;
    else
        l->n_committed = l->n;
    return r;
}

static int begin(struct ledger *l, enum database_durability durability)
{
    /* If this commit fails, the removed ids are still there, which does no harm. */
    if (database_is_in_transaction(l->database) && durability == DATABASE_SYNCED &&
        l->durability == DATABASE_UNSYNCED)
        end(l);
    if (l->failure == 0 && !database_is_in_transaction(l->database)) {
        l->failure = database_begin(l->database, durability);
        l->durability = durability;
    }
    return l->failure;
}

/* Runs a statement that changes rows. Returns how many, or a negative errno. */
static int change(struct ledger *l, struct statement *s)
{
    int r = statement_step(s);

    if (r >= 0)
        return (int)database_changed_rows(l->database);
    l->failure = r;
    return r;
}

/* --- The ids --- */

int ledger_add(struct ledger *l, const char *message_id, uint64_t now_usec)
{
    int r = begin(l, DATABASE_SYNCED);

    if (r < 0)
        return r;
    statement_bind_text(l->insert, 1, message_id);
    statement_bind_int(l->insert, 2, seconds(now_usec));
    r = change(l, l->insert);
    if (r != 0) {
        l->n += r > 0;
        l->n_added += r > 0;
        return MIN(r, 0);
    }
    /* The id is there, but was too old or could not be read. It becomes the last row. */
    statement_bind_text(l->refresh, 1, message_id);
    statement_bind_int(l->refresh, 2, seconds(now_usec));
    return MIN(change(l, l->refresh), 0);
}

int ledger_remove(struct ledger *l, const char *message_id)
{
    int r = begin(l, DATABASE_UNSYNCED);

    if (r < 0)
        return r;
    statement_bind_text(l->remove, 1, message_id);
    r = change(l, l->remove);
    l->n -= r > 0;
    return MIN(r, 0);
}

int ledger_has(struct ledger *l, const char *message_id, uint64_t now_usec)
{
    int64_t handled_sec;
    int r;

    statement_bind_text(l->find, 1, message_id);
    r = statement_step(l->find);
    if (r != STATEMENT_ROW)
        return r;
    handled_sec = statement_int(l->find, 0);
    statement_reset(l->find);
    return is_too_old(l, handled_sec, now_usec) ? 0 : LEDGER_HAS;
}

/* Forgets the first rows, if they are too old or too many. Returns how many it forgot because there
 * were too many. */
static unsigned expire(struct ledger *l, uint64_t now_usec)
{
    unsigned n_crowded_out = 0;

    uint64_t max = MAX(l->n_added, EXPIRE_MAX);

    for (uint64_t i = 0; i < max && l->failure == 0; i++) {
        bool is_old, is_crowded = l->n > l->limits.max_messages;
        int r = statement_step(l->oldest);

        if (r != STATEMENT_ROW) {
            l->failure = r;
            break;
        }
        is_old = is_too_old(l, statement_int(l->oldest, 1), now_usec);
        statement_bind_int(l->forget, 1, statement_int(l->oldest, 0));
        statement_reset(l->oldest);
        if (!is_old && !is_crowded)
            break;
        l->n -= change(l, l->forget) > 0;
        n_crowded_out += !is_old;
    }
    return n_crowded_out;
}

int ledger_commit(struct ledger *l, uint64_t now_usec)
{
    unsigned n_crowded_out;
    int r;

    if (l->failure == 0 && !database_is_in_transaction(l->database))
        return 0;
    n_crowded_out = expire(l, now_usec);
    r = end(l);
    if (r < 0)
        return r;
    l->n_crowded_out += n_crowded_out;
    return LEDGER_COMMITTED;
}

uint64_t ledger_count(const struct ledger *l)
{
    return l->n;
}

uint64_t ledger_crowded_out(const struct ledger *l)
{
    return l->n_crowded_out;
}

bool ledger_is_crowded(const struct ledger *l)
{
    return l->n > l->limits.max_messages;
}

const char *ledger_error(const struct ledger *l)
{
    return database_error(l->database);
}

/* --- Life --- */

static int prepare(struct ledger *l)
{
    const struct {
        struct statement **statement;
        const char *sql;
    } all[] = {
        {&l->insert, "INSERT OR IGNORE INTO handled (message_id, handled_sec) VALUES (?1, ?2)"},
        {&l->refresh, "UPDATE handled SET handled_sec = ?2,"
                      " sequence = (SELECT max(sequence) FROM handled) + 1 WHERE message_id = ?1"},
        {&l->remove, "DELETE FROM handled WHERE message_id = ?1"},
        {&l->find, "SELECT handled_sec FROM handled WHERE message_id = ?1"},
        {&l->oldest, "SELECT sequence, handled_sec FROM handled ORDER BY sequence LIMIT 1"},
        {&l->forget, "DELETE FROM handled WHERE sequence = ?1"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        int r = database_prepare(l->database, all[i].sql, all[i].statement);

        if (r < 0)
            return r;
    }
    return 0;
}

/* Deletes rows with sequence numbers that no ledger writes: a row with the largest number would
 * leave none for the next. If the rows cannot be deleted now, the next start tries again. */
static int forget_misplaced(struct ledger *l)
{
    struct statement *s;
    int r = database_prepare(
        l->database, "DELETE FROM handled WHERE sequence < 1 OR sequence > " SEQUENCE_MAX, &s);

    if (r >= 0)
        r = database_begin(l->database, DATABASE_UNSYNCED);
    if (r < 0)
        return r;
    r = statement_step(s);
    if (r >= 0)
        r = database_commit(l->database);
    else
        database_rollback(l->database);
    return r == -EUCLEAN || r == -ENOMEM ? r : 0;
}

static int count(struct ledger *l)
{
    struct statement *s = NULL;
    int r = database_prepare(l->database, "SELECT count(*) FROM handled", &s);

    if (r < 0)
        return r;
    r = statement_step(s);
    if (r < 0)
        return r;
    l->n = l->n_committed = (uint64_t)statement_int(s, 0);
    statement_reset(s);
    return 0;
}

int ledger_open(const char *path, const struct ledger_limits *limits, struct ledger **ret,
                char **error)
{
    static const struct database_schema schema = {migrations, ARRAY_SIZE(migrations)};
    CLEANUP(ledger_free) struct ledger *l = calloc(1, sizeof(*l));
    int r;

    if (!l)
        return -ENOMEM;
    l->limits = *limits;
    r = database_open(path, &schema, &l->database, error);
    if (r != 0)
        return r < 0 ? r : LEDGER_E_UNUSABLE;
    r = prepare(l);
    if (r >= 0)
        r = forget_misplaced(l);
    if (r >= 0)
        r = count(l);
    r = database_recheck(l->database, r);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return error_line(
            r == -EINVAL || r == -EUCLEAN ? LEDGER_E_UNUSABLE : r, error,
            "%s. The ledger cannot be read%s", database_error(l->database),
            r == -EINVAL || r == -EUCLEAN ? ": move the file away to start with an empty one" : "");
    *ret = TAKE(l);
    return 0;
}

void ledger_set_limits(struct ledger *l, const struct ledger_limits *limits)
{
    l->limits = *limits;
}

struct ledger *ledger_free(struct ledger *l)
{
    if (!l)
        return NULL;
    if (l->database && database_is_in_transaction(l->database))
        end(l);
    database_free(l->database);
    free(l);
    return NULL;
}
