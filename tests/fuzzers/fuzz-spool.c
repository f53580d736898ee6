/* SPDX-License-Identifier: MIT */
/* The spool's file as somebody else has left it. A first line "row": the lines that follow are the
 * fields of a row that waits beside two sound ones, which must go out whatever it holds. Any other:
 * what follows it is written over a sound file, from the place that the line names. */
#include "producerd/spool/spool.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "util/buffer.h"
#include "util/file.h"

enum { FILE_MAX_BYTES = 1 << 20, STEPS_MAX = 1000 };

static char folder[64], path[96], log_path[128], reserve_path[128];
static struct buffer sound = {.max = FILE_MAX_BYTES};

/* Nobody cuts the power here, and no room is needed. SQLite's calls come to these. */
int fdatasync(int fd)
{
    return 0;
}

int fsync(int fd)
{
    return 0;
}

int posix_fallocate(int fd, off_t offset, off_t bytes)
{
    return 0;
}

static void clean_up(void)
{
    unlink(path);
    unlink(log_path);
    unlink(reserve_path);
    rmdir(folder);
    buffer_done(&sound);
}

static struct spool *open_spool(void)
{
    const struct spool_options options = {
        .path = path, .is_fifo = true, .messages_max = 100, .bytes_max = 1 << 30};
    struct spool *s = NULL;
    char *error = NULL;
    int r = spool_open(&options, &s, &error);

    if (r != 0)
        fuzz_check_line(error);
    free(error);
    return s;
}

static void add(struct spool *s, const char *id)
{
    char *error = NULL;

    assert(spool_add(s, id,
                     &(struct sqs_message){.body = "sound",
                                           .body_bytes = 5,
                                           .group_id = "g",
                                           .deduplication_id = id,
                                           .delay_sec = -1},
                     &error) == 0);
}

static void make_sound_file(void)
{
    struct spool *s;

    strcpy(folder,
           access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz-spool.XXXXXX" : "/tmp/fuzz-spool.XXXXXX");
    assert(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/" SPOOL_FILE_NAME, folder);
    snprintf(log_path, sizeof(log_path), "%s-wal", path);
    snprintf(reserve_path, sizeof(reserve_path), "%s-reserve", path);
    atexit(clean_up);
    s = open_spool();
    add(s, "sound-1");
    add(s, "sound-2");
    assert(spool_commit(s) == 0);
    spool_free(s);
    assert(file_read(path, FILE_MAX_BYTES - 1, &sound) == 0);
}

static void write_file(const char *over, size_t size, size_t place)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    unlink(log_path);
    assert(fd >= 0 && write(fd, sound.data, sound.size) == (ssize_t)sound.size);
    if (size > 0)
        assert(pwrite(fd, over, size, (off_t)(place % sound.size)) == (ssize_t)size);
    close(fd);
}

/* A line that is "-" is NULL, which the columns that may not be so do not take. */
static void insert_row(const char *data, size_t size)
{
    static const char sql[] = "INSERT INTO waiting VALUES (?1, ifnull(?2, ''), ?3, ?4,"
                              " CAST(ifnull(?5, 0) AS INTEGER), CAST(ifnull(?6, 0) AS INTEGER),"
                              " CAST(ifnull(?9, '') AS BLOB), ifnull(?10, ''),"
                              " CAST(?7 AS INTEGER))";
    sqlite3_stmt *statement;
    sqlite3 *file;

    assert(sqlite3_open(path, &file) == SQLITE_OK);
    assert(sqlite3_prepare_v2(file, sql, -1, &statement, NULL) == SQLITE_OK);
    for (int i = 1; i <= 10; i++) {
        char *line = fuzz_line(&data, &size);

        if (i == 1)
            sqlite3_bind_int64(statement, i, strtoll(line, NULL, 10));
        else if (!streq(line, "-"))
            sqlite3_bind_text(statement, i, line, -1, SQLITE_TRANSIENT);
        free(line);
    }
    sqlite3_step(statement); /* not taken, such as the number of another: then there is none */
    sqlite3_finalize(statement);
    sqlite3_close(file);
}

/* Returns how many went out; all else is set aside or, in a damaged file, was not come to. */
static unsigned take_all(struct spool *s, unsigned *ret_n_sound)
{
    const struct spool_message *m;
    unsigned n = 0;

    *ret_n_sound = 0;
    for (int steps = 0; steps < STEPS_MAX; steps++) {
        int r = spool_next(s, &m);

        if (r < 0 || r == SPOOL_E_NOT_YET)
            break;
        if (r == SPOOL_E_DAMAGED_ROW)
            fuzz_check_line(spool_last_damaged_row(s)->reason);
        if (r != 0)
            continue;
        fuzz_check_word(m->head.id);
        fuzz_check_word(m->head.message.group_id);
        assert(sqs_message_bytes(&m->head.message) <= SQS_MESSAGE_MAX_BYTES);
        *ret_n_sound +=
            strncmp(m->head.id, "sound-", 6) == 0 && streq(m->head.message.body, "sound");
        spool_mark_sending(s, &m, 1, 1);
        spool_settle(s, m, n % 2 ? "no" : NULL, 1);
        n++;
    }
    return n;
}

static bool on_rejected(void *userdata, const struct rejected_message *message)
{
    return true;
}

FUZZ
{
    char *line = fuzz_line(&data, &size);
    bool is_row = streq(line, "row");
    unsigned n_sound;
    struct spool *s;
    struct store_dropped dropped;
    size_t n = 0;

    if (sound.size == 0)
        make_sound_file();
    write_file(data, is_row ? 0 : MIN(size, (size_t)4096), (size_t)strtoull(line, NULL, 10));
    free(line);
    if (is_row)
        insert_row(data, size);
    s = open_spool();
    assert(s || !is_row);
    if (!s)
        return;
    take_all(s, &n_sound);
    if (is_row) {
        assert(n_sound >= 2 && spool_counts(s).waiting == 0);
        assert(spool_counts(s).bytes <= 3 * (uint64_t)SQS_MESSAGE_MAX_BYTES);
    }
    (void)spool_rejected(s, 0, on_rejected, NULL);
    (void)spool_retry(s, NULL, &n);
    (void)spool_drop(s, NULL, &dropped);
    (void)spool_sync(s);
    spool_free(s);
}
