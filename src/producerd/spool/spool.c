/* SPDX-License-Identifier: MIT */
/* A message is a row in one of two tables: `waiting`, or `rejected` with the reason. The table
 * `sending` notes since when SQS may have stored a waiting message. It is a table of its own so
 * that a mark does not rewrite the body. The index of the groups also counts the messages and their
 * bytes at the start, without reading a body.
 *
 * A transaction begins and ends within one call. So a read finds only committed rows, and an added
 * message cannot be sent before it is synced. */
#include "producerd/spool/spool-internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "producerd/spool/lock.h"
#include "util/error-line.h"
#include "util/fault-point.h"

#define NUMBER_MAX "4611686018427387903" /* SPOOL_NUMBER_MAX */

enum { PAGE_BYTES = 4096 }; /* SQLite's default for new files */

static const char *const migrations[] = {
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO setting VALUES ('commits', 0);"
    "CREATE TABLE waiting ("
    " number INTEGER PRIMARY KEY,"
    " id TEXT NOT NULL,"
    " group_id TEXT,"
    " deduplication_id TEXT,"
    " delay_sec INTEGER NOT NULL," /* -1: the queue's delay */
    " bytes INTEGER NOT NULL,"
    " attributes BLOB NOT NULL," /* message.h */
    " body TEXT NOT NULL) STRICT;"
    "CREATE INDEX waiting_group ON waiting (group_id, number, bytes);"
    "CREATE TABLE sending (number INTEGER PRIMARY KEY, since_usec INTEGER NOT NULL) STRICT;"
    "CREATE TABLE rejected ("
    " number INTEGER PRIMARY KEY,"
    " id TEXT NOT NULL,"
    " group_id TEXT,"
    " deduplication_id TEXT,"
    " delay_sec INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL,"
    " attributes BLOB NOT NULL,"
    " body TEXT NOT NULL,"
    " rejected_usec INTEGER NOT NULL,"
    " reason TEXT NOT NULL) STRICT;"
    "CREATE INDEX rejected_id ON rejected (id, bytes);",
    /* This rewrites no row; NULL means that the checksum is not known. */
    "ALTER TABLE waiting ADD COLUMN checksum INTEGER;"
    "ALTER TABLE rejected ADD COLUMN checksum INTEGER;",
    "CREATE TABLE series ("
    " id TEXT PRIMARY KEY,"
    " number INTEGER NOT NULL,"
    " used INTEGER NOT NULL,"
    " refused BLOB NOT NULL) STRICT, WITHOUT ROWID;",
};

enum { VERSION_CHECKSUMS = 2, VERSION_SERIES = 3 };

/* A full disk must not prevent the start: the previous version of the file is usable, too. */
static const struct database_schema schema = {.migrations = migrations,
                                              .version = ARRAY_SIZE(migrations),
                                              .least_version = VERSION_CHECKSUMS - 1};

struct spool_counts spool_counts(const struct spool *s)
{
    return s->counts;
}

const char *spool_error(const struct spool *s)
{
    return s->is_disk_full ? "the disk has too little free space" : database_error(s->database);
}

/* --- Opening --- */

/* Reads `n` numbers from the first row; zeros when there is no row. */
static int query(struct spool *s, const char *sql, uint64_t *ret, int n)
{
    struct statement *statement;
    int r = database_prepare(s->database, sql, &statement);

    if (r < 0)
        return r;
    r = statement_step(statement);
    for (int i = 0; i < n; i++)
        ret[i] = r == STATEMENT_ROW ? (uint64_t)statement_int(statement, i) : 0;
    if (r == STATEMENT_ROW)
        statement_reset(statement);
    return MIN(r, 0);
}

static int count(struct spool *s)
{
    uint64_t waiting[2], rejected[2], last[1];
    int r = query(s, "SELECT count(*), sum(" SPOOL_SQL_BYTES ") FROM waiting", waiting, 2);

    if (r >= 0)
        r = query(s, "SELECT count(*), sum(" SPOOL_SQL_BYTES ") FROM rejected", rejected, 2);
    if (r >= 0)
        r = query(s,
                  "SELECT max(ifnull((SELECT max(number) FROM waiting WHERE number <= " NUMBER_MAX
                  "), 0),"
                  " ifnull((SELECT max(number) FROM rejected WHERE number <= " NUMBER_MAX
                  "), 0), 0)",
                  last, 1);
    if (r < 0)
        return r;
    s->counts = (struct spool_counts){
        .waiting = waiting[0], .rejected = rejected[0], .bytes = waiting[1] + rejected[1]};
    s->next_number = last[0] + 1;
    return 0;
}

static int write_kind(struct spool *s)
{
    struct statement *write;
    int r = database_prepare(s->database, "INSERT OR REPLACE INTO setting VALUES ('is_fifo', ?1)",
                             &write);

    if (r >= 0)
        r = database_begin(s->database, DATABASE_SYNCED);
    if (r < 0)
        return r;
    statement_bind_int(write, 1, s->options.is_fifo);
    r = statement_step(write);
    if (r >= 0)
        return database_commit(s->database);
    database_rollback(s->database);
    return r;
}

/* A standard queue accepts no deduplication ids, and a FIFO queue requires groups. So messages for
 * one kind of queue would be rejected by the other. Rejected messages are converted when they are
 * retried. */
static int check_kind(struct spool *s, char **error)
{
    uint64_t kind[2];
    int r = query(s, "SELECT value, 1 FROM setting WHERE name = 'is_fifo'", kind, 2);

    if (r >= 0 && kind[1] && s->options.is_kind_unknown)
        s->options.is_fifo = kind[0];
    if (r < 0 || (kind[1] && kind[0] == s->options.is_fifo))
        return r;
    if (s->counts.waiting > 0)
        return error_line(
            SPOOL_E_UNUSABLE, error,
            "the spool holds %" PRIu64 " messages for a %s queue, and aws.queue_url "
            "names a %s one: name the former queue until they are sent, or move " SPOOL_FILE_NAME
            " away",
            s->counts.waiting, kind[0] ? "FIFO" : "standard",
            s->options.is_fifo ? "FIFO" : "standard");
    return write_kind(s);
}

static int prepare(struct spool *s)
{
    int r = spool_prepare(s, "INSERT INTO waiting VALUES (?1,?2,?3,?4,?5,?6,?7,?8%s)", ",?9", "",
                          &s->insert);

    if (r >= 0)
        r = database_prepare(
            s->database, "UPDATE setting SET value = value + 1 WHERE name = 'commits'", &s->touch);
    if (r >= 0)
        r = database_prepare(s->database, "PRAGMA freelist_count", &s->free_pages);
    if (r >= 0)
        r = spool_dequeue_prepare(s);
    if (r >= 0)
        r = spool_series_prepare(s);
    return r < 0 ? r : spool_rejected_prepare(s);
}

/* A failed write is left for another start. */
static int set_wrong_numbers_aside(struct spool *s)
{
    int r = spool_set_wrong_numbers_aside(s);

    if (r >= 0)
        r = spool_renumber_rejected(s);
    return r == -EUCLEAN || r == -ENOMEM ? r : 0;
}

/* Waits for a running command, which ends soon. */
static int open_database(struct spool *s, const char *path, char **error)
{
    int r =
        spool_lock(path, s->options.is_command, SPOOL_LOCK_TIMEOUT_SEC * USEC_PER_SEC, &s->lock);

    if (r == SPOOL_LOCK_E_COMMAND)
        return error_line(
            -EBUSY, error,
            "another process works on the rejected messages of the spool ('sqs-producerd "
            "--rejected'), and has not finished within %d s: try again",
            SPOOL_LOCK_TIMEOUT_SEC);
    if (r == SPOOL_LOCK_E_DAEMON)
        return error_line(-EBUSY, error,
                          "the daemon is starting, and has not read the spool within %d s: try "
                          "again",
                          SPOOL_LOCK_TIMEOUT_SEC);
    if (r < 0)
        return r;
    r = database_open(path, &schema, &s->database, error);
    if (r == DATABASE_E_IN_USE)
        return SPOOL_E_IN_USE;
    return r > 0 ? SPOOL_E_UNUSABLE : r;
}

static void unlock(struct spool *s)
{
    if (s->lock >= 0)
        close(s->lock);
    s->lock = -1;
}

int spool_open(const struct spool_options *options, struct spool **ret, char **error)
{
    CLEANUP(spool_free) struct spool *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return -ENOMEM;
    s->lock = -1;
    list_init(&s->added);
    list_init(&s->in_flight);
    list_init(&s->settled);
    list_init(&s->series);
    s->options = *options;
    s->options.path = NULL;
    r = open_database(s, options->path, error);
    if (r != 0)
        return r;
    if (!options->is_command)
        unlock(s); /* SQLite's lock on the file is enough from here on */
    s->has_checksums = database_version(s->database) >= VERSION_CHECKSUMS;
    s->has_series = database_version(s->database) >= VERSION_SERIES;
    r = disk_reserve_init(&s->reserve, options->path, SPOOL_RESERVE_BYTES);
    if (r < 0)
        return r;
    /* a failure is tried again when the reserve is needed */
    (void)disk_reserve_allocate(&s->reserve);
    if (options->is_fifo) {
        r = spool_groups_new(SPOOL_GROUP_IN_FLIGHT_MAX, SPOOL_GROUPS_MAX, &s->groups);
        if (r < 0)
            return r;
    }
    r = prepare(s);
    if (r >= 0)
        r = count(s);
    if (r >= 0)
        r = set_wrong_numbers_aside(s);
    if (r >= 0)
        r = check_kind(s, error);
    r = database_recheck(s->database, r);
    if (r == -EUCLEAN)
        return error_line(
            SPOOL_E_UNUSABLE, error,
            "%s. The file is damaged: move it away (keep it, to examine it), or restore "
            "it",
            spool_error(s));
    if (r < 0 && r != -ENOMEM)
        return error_line(r, error, "%s", spool_error(s));
    if (r != 0)
        return r;
    *ret = TAKE(s);
    return 0;
}

struct spool *spool_free(struct spool *s)
{
    if (!s)
        return NULL;
    spool_messages_free(&s->added);
    spool_messages_free(&s->in_flight);
    spool_messages_free(&s->settled);
    spool_groups_free(s->groups);
    disk_reserve_done(&s->reserve);
    database_free(s->database);
    unlock(s);
    free(s);
    return NULL;
}

/* --- In --- */

void spool_set_limits(struct spool *s, uint64_t messages_max, uint64_t bytes_max)
{
    s->options.messages_max = messages_max;
    s->options.bytes_max = bytes_max;
}

static int check_quota(struct spool *s, size_t bytes, char **error)
{
    uint64_t messages = s->counts.waiting + s->counts.rejected;

    if (messages >= s->options.messages_max)
        return error_line(STORE_E_FULL, error,
                          "the spool is full: it holds %" PRIu64 " messages, and "
                          "producer.spool_max_messages is %" PRIu64,
                          messages, s->options.messages_max);
    if (s->counts.bytes + bytes > s->options.bytes_max)
        return error_line(STORE_E_FULL, error,
                          "the spool is full: it holds %" PRIu64 " bytes, and with this message's "
                          "%zu they would be more than producer.spool_max_bytes, which is %" PRIu64,
                          s->counts.bytes, bytes, s->options.bytes_max);
    return 0;
}

int spool_add(struct spool *s, const char *id, const struct sqs_message *message, char **error)
{
    CLEANUP(buffer_done) struct buffer packed = BUFFER_INIT(2 * SQS_MESSAGE_MAX_BYTES);
    size_t bytes = sqs_message_bytes(message);
    struct spool_message *m;
    int r = check_quota(s, bytes, error);

    if (r == 0)
        r = spool_attributes_pack(message->attributes, message->n_attributes, &packed);
    if (r == 0)
        r = spool_message_new(
            &(struct spool_row){
                .id = id,
                .group_id = message->group_id,
                .deduplication_id = message->deduplication_id,
                .delay_sec = message->delay_sec,
                .bytes = bytes,
                .attributes = buffer_string(&packed),
                .attributes_bytes = packed.size,
                .body = message->body,
                .body_bytes = message->body_bytes,
            },
            &m);
    if (r != 0)
        return r;
    list_append(&s->added, &m->link);
    s->counts.waiting++;
    s->counts.bytes += bytes;
    return 0;
}

/* Checks that the disk, or free pages inside the file, have space for the added messages and for
 * what must be written about them later. Returns 0 or a negative errno. */
static int check_disk(struct spool *s)
{
    uint64_t free_bytes = 0, needed = SPOOL_RESERVE_BYTES;
    int r = disk_reserve_allocate(&s->reserve);

    s->is_disk_full = false;
    if (r >= 0)
        return 0;
    LIST_FOREACH(&s->added, link)
    {
        needed += 2 * spool_message_of(link)->row.bytes;
    }
    r = statement_step(s->free_pages);
    if (r < 0)
        return r;
    if (r == STATEMENT_ROW) {
        free_bytes = (uint64_t)statement_int(s->free_pages, 0) * PAGE_BYTES;
        statement_reset(s->free_pages);
    }
    s->is_disk_full = free_bytes < needed;
    return s->is_disk_full ? -ENOSPC : 0;
}

static int write_added(struct spool *s)
{
    uint64_t number = s->next_number;
    int r = 0;

    LIST_FOREACH(&s->added, link)
    {
        const struct spool_row *row = &spool_message_of(link)->row;

        if (r < 0)
            break;
        statement_bind_int(s->insert, 1, (int64_t)number++);
        statement_bind_text(s->insert, 2, row->id);
        statement_bind_text(s->insert, 3, row->group_id);
        statement_bind_text(s->insert, 4, row->deduplication_id);
        statement_bind_int(s->insert, 5, row->delay_sec);
        statement_bind_int(s->insert, 6, (int64_t)row->bytes);
        statement_bind_blob(s->insert, 7, row->attributes, row->attributes_bytes);
        statement_bind_text_n(s->insert, 8, row->body, row->body_bytes);
        if (s->has_checksums)
            statement_bind_int(s->insert, 9, (int64_t)spool_row_checksum(row));
        r = statement_step(s->insert);
    }
    return r;
}

/* `touch` changes a row, because SQLite neither writes nor syncs a commit without a change. */
static int write_synced(struct spool *s, bool with_added)
{
    int r = database_begin(s->database, DATABASE_SYNCED);

    if (r < 0)
        return r;
    r = statement_step(s->touch);
    if (r >= 0)
        r = spool_write_settled(s);
    if (r >= 0 && with_added)
        r = write_added(s);
    if (r >= 0 && with_added)
        r = spool_write_series(s);
    if (r >= 0)
        return database_commit(s->database);
    database_rollback(s->database);
    return r;
}

static int settled_written(struct spool *s, int r)
{
    if (r < 0) {
        s->has_failed = s->has_failed || !list_is_empty(&s->settled);
        return r;
    }
    spool_messages_free(&s->settled);
    s->is_unsynced = s->has_failed = false;
    return 0;
}

static void forget_added(struct spool *s)
{
    LIST_FOREACH(&s->added, link)
    {
        s->counts.waiting--;
        s->counts.bytes -= spool_message_of(link)->row.bytes;
    }
    spool_messages_free(&s->added);
}

static int sync_settled(struct spool *s)
{
    int r = write_synced(s, false);

    if (spool_may_retry(s, r))
        r = write_synced(s, false);
    return settled_written(s, r);
}

static int write_all(struct spool *s)
{
    bool is_disk_full;
    int r = check_disk(s);

    if (r >= 0)
        return settled_written(s, write_synced(s, true));
    /* The settled messages are written even though the new ones are refused. */
    is_disk_full = s->is_disk_full;
    if (spool_needs_sync(s))
        (void)sync_settled(s);
    s->is_disk_full = is_disk_full;
    return r;
}

int spool_commit(struct spool *s)
{
    int r;

    if (list_is_empty(&s->added))
        return spool_sync(s);
    FAULT_POINT("spool-commit");
    r = write_all(s);
    spool_forget_series(s);
    if (r < 0) {
        forget_added(s);
        return r;
    }
    FAULT_POINT("spool-committed");
    LIST_FOREACH(&s->added, link)
    {
        s->next_number++;
    }
    spool_messages_free(&s->added);
    return 0;
}

int spool_sync(struct spool *s)
{
    return spool_needs_sync(s) ? sync_settled(s) : 0;
}

int spool_test_write(struct spool *s)
{
    int r = sync_settled(s);

    return r < 0 ? r : check_disk(s);
}

bool spool_needs_sync(const struct spool *s)
{
    return s->is_unsynced || !list_is_empty(&s->settled);
}
