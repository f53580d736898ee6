/* SPDX-License-Identifier: MIT */
#include "producerd/spool/row.h"
#include "producerd/spool/spool.h"
#include "test.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/file.h"

enum { MIB = 1024 * 1024 };

static char folder[64], path[96], log_path[128], reserve_path[128];
static int write_error; /* errno of each write to the disk; 0: none */
static unsigned n_syncs;
static bool has_unsynced; /* something was written after the last of them */

/* Nobody cuts the power here: there is no need to wait for the disk. SQLite's calls come to these,
 * for a program's symbols go before those of its libraries. */
int fdatasync(int fd)
{
    n_syncs++;
    has_unsynced = false;
    return 0;
}

int fsync(int fd)
{
    return fdatasync(fd);
}

static bool no_fallocate;        /* the disk has no room for the reserve */
static bool no_room_but_reserve; /* nor for anything else, unless that was given back */

int posix_fallocate(int fd, off_t offset, off_t bytes)
{
    return no_fallocate || no_room_but_reserve   ? ENOSPC
           : fallocate(fd, 0, offset, bytes) < 0 ? errno
                                                 : 0;
}

static ssize_t test_write(int fd, const void *data, size_t bytes, off_t offset)
{
    int error = no_room_but_reserve && access(reserve_path, F_OK) == 0 ? ENOSPC : write_error;

    if (error) {
        errno = error;
        return -1;
    }
    has_unsynced = true;
    return pwrite(fd, data, bytes, offset);
}

static void replace_writes(sqlite3_syscall_ptr function)
{
    static const char *const names[] = {"pwrite", "pwrite64"};
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        vfs->xSetSystemCall(vfs, names[i], function);
}

/* SQLite has no memory for this column of any row; -1: for all. */
static int lacking_column = -1;

const unsigned char *sqlite3_column_text(sqlite3_stmt *statement, int i)
{
    static const unsigned char *(*real)(sqlite3_stmt *, int);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_column_text");
    return i == lacking_column ? NULL : real(statement, i);
}

int sqlite3_errcode(sqlite3 *database)
{
    static int (*real)(sqlite3 *);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "sqlite3_errcode");
    return lacking_column >= 0 ? SQLITE_NOMEM : real(database);
}

struct fixture {
    struct spool_options options;
    struct spool *spool;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(folder, "/tmp/test-spool.XXXXXX");
    if (!f || !mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/" SPOOL_FILE_NAME, folder);
    snprintf(log_path, sizeof(log_path), "%s-wal", path);
    snprintf(reserve_path, sizeof(reserve_path), "%s-reserve", path);
    write_error = 0;
    lacking_column = -1;
    no_fallocate = no_room_but_reserve = false;
    replace_writes((sqlite3_syscall_ptr)test_write);
    f->options = (struct spool_options){
        .path = path, .is_fifo = true, .messages_max = 100000, .bytes_max = 1024 * MIB};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    spool_free(f->spool);
    free(f);
    replace_writes(NULL);
    unlink(path);
    unlink(log_path);
    unlink(reserve_path);
    return rmdir(folder);
}

static struct spool *reopen(struct fixture *f)
{
    CLEANUP(free) char *error = NULL;

    f->spool = spool_free(f->spool);
    if (spool_open(&f->options, &f->spool, &error) != 0)
        fail_msg("%s", error);
    return f->spool;
}

/* Messages are named "g1": the letters are the group, all of it the body and the id. */
static void add(struct spool *s, const char *name)
{
    CLEANUP(free) char *group = strndup(name, strcspn(name, "0123456789"));

    assert_int_equal(spool_add(s, name,
                               &(struct sqs_message){.body = name,
                                                     .body_bytes = strlen(name),
                                                     .group_id = group,
                                                     .deduplication_id = name,
                                                     .delay_sec = -1},
                               NULL),
                     0);
}

static void add_many(struct spool *s, const char *group, unsigned first, unsigned n)
{
    char name[32];

    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "%s%u", group, first + i);
        add(s, name);
    }
}

static const struct spool_message *next(struct spool *s, const char *name)
{
    const struct spool_message *m = NULL;

    assert_int_equal(spool_next(s, &m), 0);
    assert_string_equal(m->head.id, name);
    assert_string_equal(m->head.message.deduplication_id, name);
    return m;
}

static void next_none(struct spool *s)
{
    const struct spool_message *m;

    assert_int_equal(spool_next(s, &m), SPOOL_E_NOT_YET);
}

static void sent(struct spool *s, const struct spool_message *m)
{
    spool_settle(s, m, NULL, 1);
}

static void assert_counts(struct spool *s, uint64_t waiting, uint64_t rejected, uint64_t bytes)
{
    struct spool_counts counts = spool_counts(s);

    assert_int_equal(counts.waiting, waiting);
    assert_int_equal(counts.rejected, rejected);
    assert_int_equal(counts.bytes, bytes);
}

static void a_message_comes_out_as_it_came_in(void **state)
{
    static const char body[] = "tab\there, a NUL \0 and \xc3\xa9";
    static const struct sqs_attribute attributes[] = {
        {.name = "a", .data_type = "String", .value = "v", .value_bytes = 1},
        {.name = "b", .data_type = "Binary", .value = "\0\1", .value_bytes = 2, .is_binary = true},
    };
    struct fixture *f = *state;
    struct spool *s;
    const struct spool_message *m = NULL;

    f->options.is_fifo = false;
    s = reopen(f);
    assert_int_equal(spool_add(s, "id-1",
                               &(struct sqs_message){.body = body,
                                                     .body_bytes = sizeof(body) - 1,
                                                     .delay_sec = 7,
                                                     .attributes = attributes,
                                                     .n_attributes = 2},
                               NULL),
                     0);
    assert_int_equal(spool_commit(s), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(spool_next(s, &m), 0);
        assert_string_equal(m->head.id, "id-1");
        assert_null(m->head.message.group_id);
        assert_null(m->head.message.deduplication_id);
        assert_int_equal(m->head.in_doubt_since_usec, 0);
        assert_int_equal(m->head.message.body_bytes, sizeof(body) - 1);
        assert_memory_equal(m->head.message.body, body, sizeof(body));
        assert_int_equal(m->head.message.delay_sec, 7);
        assert_int_equal(m->head.message.n_attributes, 2);
        assert_string_equal(m->head.message.attributes[0].name, "a");
        assert_true(m->head.message.attributes[1].is_binary);
        assert_memory_equal(m->head.message.attributes[1].value, "\0\1", 2);
        assert_counts(s, 1, 0, sqs_message_bytes(&m->head.message));
        s = reopen(f);
    }
}

static void what_was_added_waits_for_its_commit_whatever_else_is_written(void **state)
{
    struct spool *s = reopen(*state);
    const struct spool_message *m;

    add(s, "a1");
    assert_int_equal(spool_commit(s), 0);
    m = next(s, "a1");
    add(s, "a2");
    assert_int_equal(spool_mark_sending(s, &m, 1, 1), 0);
    sent(s, m);
    assert_int_equal(spool_flush(s), 0);
    assert_int_equal(spool_sync(s), 0);
    assert_false(spool_needs_sync(s));
    next_none(s);
    assert_int_equal(spool_commit(s), 0);
    next(s, "a2");
}

static void nothing_goes_out_before_it_is_committed(void **state)
{
    struct spool *s = reopen(*state);

    add(s, "a1");
    next_none(s);
    assert_counts(s, 1, 0, 2);
    assert_int_equal(spool_commit(s), 0);
    next(s, "a1");
    add(s, "a2");
    s = reopen(*state);
    next(s, "a1");
    next_none(s); /* a2 was not committed */
}

static void assert_syncs(unsigned n)
{
    assert_int_equal(n_syncs, n);
    assert_false(has_unsynced);
}

static void messages_that_come_together_share_a_sync(void **state)
{
    struct spool *s = reopen(*state);

    add(s, "a0"); /* the first has a sync more, for the head of a new log */
    assert_int_equal(spool_commit(s), 0);
    n_syncs = 0;
    add_many(s, "a", 1, 3);
    assert_syncs(0);
    assert_int_equal(spool_commit(s), 0);
    assert_syncs(1);
    assert_int_equal(spool_commit(s), 0); /* there is nothing to do */
    assert_syncs(1);
    add(s, "a4");
    assert_int_equal(spool_commit(s), 0);
    assert_syncs(2);
}

static void what_was_settled_is_synced_only_where_that_is_asked_for(void **state)
{
    struct spool *s = reopen(*state);
    const struct spool_message *m[3];

    add_many(s, "a", 1, 4);
    assert_int_equal(spool_commit(s), 0);
    m[0] = next(s, "a1");
    m[1] = next(s, "a2");
    m[2] = next(s, "a3");
    n_syncs = 0;
    assert_int_equal(spool_mark_sending(s, m, 3, 1), 0);
    sent(s, m[0]);
    assert_int_equal(spool_flush(s), 0);
    assert_int_equal(n_syncs, 0);
    assert_true(has_unsynced);
    assert_int_equal(spool_sync(s), 0);
    assert_syncs(1);
    assert_int_equal(spool_sync(s), 0); /* there is nothing to do */
    assert_syncs(1);
    assert_int_equal(spool_probe(s), 0); /* nor here, but it must see */
    assert_syncs(2);

    sent(s, m[1]);
    assert_int_equal(spool_flush(s), 0);
    assert_true(has_unsynced);
    assert_int_equal(spool_commit(s), 0); /* also without new messages */
    assert_syncs(3);
    sent(s, m[2]);
    add(s, "a5");
    assert_int_equal(spool_commit(s), 0);
    assert_syncs(4);
}

static void messages_keep_their_order_over_a_restart_and_those_sent_are_gone(void **state)
{
    struct spool *s = reopen(*state);
    const struct spool_message *a1, *b1;

    add_many(s, "a", 1, 2);
    add(s, "b1");
    add(s, "a3");
    assert_int_equal(spool_commit(s), 0);
    a1 = next(s, "a1");
    next(s, "a2");
    b1 = next(s, "b1");
    sent(s, b1);
    sent(s, a1);
    assert_counts(s, 2, 0, 4);
    assert_true(spool_needs_sync(s));
    assert_int_equal(spool_commit(s), 0);
    assert_false(spool_needs_sync(s));
    s = reopen(*state);
    assert_counts(s, 2, 0, 4);
    next(s, "a2");
    next(s, "a3");
    add(s, "b2");
    assert_int_equal(spool_commit(s), 0);
    next(s, "b2");
    next_none(s);
}

static void what_was_flushed_survives_a_kill(void **state)
{
    struct spool *s;
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        const struct spool_message *m[2];

        s = reopen(*state);
        add_many(s, "a", 1, 3);
        spool_commit(s);
        m[0] = next(s, "a1");
        m[1] = next(s, "a2");
        spool_mark_sending(s, m, 2, 17);
        sent(s, m[0]);
        spool_flush(s);
        if (!spool_needs_sync(s))
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    s = reopen(*state);
    assert_int_equal(next(s, "a2")->head.in_doubt_since_usec, 17);
    assert_int_equal(next(s, "a3")->head.in_doubt_since_usec, 0);
    next_none(s);
}

static void a_mark_keeps_its_time(void **state)
{
    struct spool *s = reopen(*state);
    const struct spool_message *m;

    add(s, "a1");
    assert_int_equal(spool_commit(s), 0);
    m = next(s, "a1");
    assert_int_equal(spool_mark_sending(s, &m, 1, 100), 0);
    assert_int_equal(spool_mark_sending(s, &m, 1, 200), 0);
    s = reopen(*state);
    m = next(s, "a1");
    assert_int_equal(m->head.in_doubt_since_usec, 100);
    sent(s, m);
    /* Numbers may come again, marks must not. */
    assert_int_equal(spool_sync(s), 0);
    s = reopen(*state);
    add(s, "a1");
    assert_int_equal(spool_commit(s), 0);
    assert_int_equal(next(s, "a1")->head.in_doubt_since_usec, 0);
}

static void a_group_that_is_stuck_lets_others_go(void **state)
{
    struct spool *s = reopen(*state);
    const struct spool_message *a[SPOOL_GROUP_IN_FLIGHT_MAX];
    char name[32];

    add_many(s, "a", 1, SPOOL_GROUP_IN_FLIGHT_MAX + 3);
    add_many(s, "b", 1, 1);
    assert_int_equal(spool_commit(s), 0);
    for (unsigned i = 0; i < SPOOL_GROUP_IN_FLIGHT_MAX; i++) {
        snprintf(name, sizeof(name), "a%u", i + 1);
        a[i] = next(s, name);
    }
    next(s, "b1");
    next_none(s);
    sent(s, a[0]);
    next(s, "a21");
    next_none(s);
    add(s, "a24");
    add(s, "b2");
    assert_int_equal(spool_commit(s), 0);
    next(s, "b2");
    sent(s, a[1]);
    sent(s, a[2]);
    sent(s, a[3]);
    next(s, "a22");
    next(s, "a23");
    next(s, "a24");
    next_none(s);
}

static void a_long_way_past_a_stuck_group_is_gone_in_steps(void **state)
{
    struct spool *s = reopen(*state);
    const struct spool_message *m;
    char name[32];

    add_many(s, "a", 1, SPOOL_GROUP_IN_FLIGHT_MAX + SPOOL_SKIPPED_MAX + 1);
    add_many(s, "b", 1, 1);
    assert_int_equal(spool_commit(s), 0);
    for (unsigned i = 1; i <= SPOOL_GROUP_IN_FLIGHT_MAX; i++) {
        snprintf(name, sizeof(name), "a%u", i);
        next(s, name);
    }
    assert_int_equal(spool_next(s, &m), SPOOL_E_LATER);
    next(s, "b1");
    next_none(s);
}

static void what_is_out_is_bounded_in_bytes(void **state)
{
    CLEANUP(free) char *body = malloc(MIB);
    struct spool *s = reopen(*state);
    const struct spool_message *first = NULL, *m;
    unsigned n = 0;

    memset(body, 'x', MIB);
    for (unsigned i = 0; i < 70; i++) {
        char id[16];

        snprintf(id, sizeof(id), "%u", i);
        assert_int_equal(
            spool_add(s, id, &(struct sqs_message){.body = body, .body_bytes = MIB, .group_id = id},
                      NULL),
            0);
        if (i % 10 == 9)
            assert_int_equal(spool_commit(s), 0);
    }
    for (; spool_next(s, &m) == 0; n++)
        first = first ? first : m;
    assert_int_equal(n, SPOOL_IN_FLIGHT_MAX_BYTES / MIB);
    sent(s, first);
    assert_int_equal(spool_next(s, &m), 0);
    next_none(s);
}

static void a_full_spool_says_which_bound_it_is(void **state)
{
    struct fixture *f = *state;
    struct spool *s;
    const struct sqs_message message = {.body = "12345", .body_bytes = 5, .group_id = "g"};
    const struct spool_message *m;
    char *error = NULL;

    f->options.messages_max = 3;
    f->options.bytes_max = 12;
    s = reopen(f);
    add_many(s, "a", 1, 2);
    assert_int_equal(spool_commit(s), 0);
    spool_settle(s, next(s, "a1"), "no", 1); /* rejected ones count */
    assert_int_equal(spool_add(s, "x", &message, &error), 0);
    assert_int_equal(spool_add(s, "y", &message, &error), SPOOL_E_FULL);
    assert_non_null(strstr(error, "3 messages, and producer.spool_max_messages is 3"));
    free(error);
    assert_int_equal(spool_commit(s), 0);
    sent(s, next(s, "a2"));
    assert_counts(s, 1, 1, 7);
    assert_int_equal(spool_add(s, "y", &message, &error), 0);
    assert_int_equal(spool_commit(s), 0);
    assert_int_equal(spool_next(s, &m), 0);
    sent(s, m);
    add(s, "b1");
    f->options.messages_max = 100;
    s = reopen(f); /* x is there again, and b1 never was */
    assert_counts(s, 2, 1, 12);
    assert_int_equal(spool_add(s, "z", &message, &error), SPOOL_E_FULL);
    assert_non_null(strstr(error, "12 bytes, and with this message's 5"));
    assert_non_null(strstr(error, "producer.spool_max_bytes, which is 12"));
    free(error);
}

static void a_disk_that_takes_nothing_loses_nothing(void **state)
{
    struct spool *s = reopen(*state);
    const struct spool_message *a1, *a2;

    add_many(s, "a", 1, 3);
    assert_int_equal(spool_commit(s), 0);
    a1 = next(s, "a1");
    a2 = next(s, "a2");

    write_error = ENOSPC;
    add(s, "b1");
    assert_int_equal(spool_commit(s), -ENOSPC);
    assert_non_null(strstr(spool_error(s), SPOOL_FILE_NAME));
    assert_counts(s, 3, 0, 6);
    assert_int_equal(spool_mark_sending(s, &a2, 1, 5), -ENOSPC);
    next(s, "a3"); /* all that was sent is known to be on the disk */
    sent(s, a1);
    assert_int_equal(spool_flush(s), -ENOSPC);
    next_none(s);
    sent(s, a2);
    add(s, "b2");
    assert_int_equal(spool_commit(s), -ENOSPC);
    assert_counts(s, 1, 0, 2);
    next_none(s);

    write_error = 0;
    add(s, "b3");
    assert_int_equal(spool_commit(s), 0);
    next(s, "b3");
    next_none(s);
    s = reopen(*state);
    next(s, "a3");
    next(s, "b3");
    next_none(s);
}

static void the_reserve_is_for_what_is_sent_and_not_for_what_comes(void **state)
{
    struct spool *s = reopen(*state);
    const struct spool_message *a1, *a2;
    struct stat st;

    add_many(s, "a", 1, 2);
    assert_int_equal(spool_commit(s), 0);
    a1 = next(s, "a1");
    a2 = next(s, "a2");
    assert_int_equal(stat(reserve_path, &st), 0);
    assert_true(st.st_blocks * 512 >= SPOOL_RESERVE_BYTES);

    no_room_but_reserve = true;
    add(s, "b1");
    assert_int_equal(spool_commit(s), -ENOSPC);
    assert_int_equal(access(reserve_path, F_OK), 0);
    sent(s, a1);
    assert_int_equal(spool_flush(s), 0);
    assert_int_equal(access(reserve_path, F_OK), -1);
    add(s, "b2");
    assert_int_equal(spool_commit(s), -ENOSPC);
    assert_string_equal(spool_error(s), "the disk has no room to spare");
    assert_int_equal(spool_probe(s), -ENOSPC);
    sent(s, a2);
    assert_int_equal(spool_sync(s), 0);

    no_room_but_reserve = false;
    assert_int_equal(spool_probe(s), 0);
    add(s, "b3");
    assert_int_equal(spool_commit(s), 0);
    assert_int_equal(access(reserve_path, F_OK), 0);
    next(s, "b3");
    next_none(s);
}

static void room_inside_the_file_serves_where_the_disk_has_none(void **state)
{
    CLEANUP(free) char *body = malloc(MIB);
    struct spool *s = reopen(*state);
    const struct spool_message *m;

    memset(body, 'x', MIB);
    for (unsigned i = 0; i < SPOOL_RESERVE_BYTES / MIB + 2; i++) {
        assert_int_equal(
            spool_add(s, "id",
                      &(struct sqs_message){.body = body, .body_bytes = MIB, .group_id = "g"},
                      NULL),
            0);
        assert_int_equal(spool_commit(s), 0);
    }
    while (spool_next(s, &m) == 0)
        sent(s, m);
    assert_int_equal(spool_sync(s), 0);
    assert_int_equal(unlink(reserve_path), 0);
    no_fallocate = true;
    s = reopen(*state);
    assert_int_equal(access(reserve_path, F_OK), -1);
    add(s, "a1");
    assert_int_equal(spool_commit(s), 0);
    next(s, "a1");
}

/* --- Set aside --- */

struct page {
    char text[4096];
    unsigned n, n_max;
    uint64_t last;
};

static bool on_rejected(void *userdata, const struct rejected_message *m)
{
    struct page *page = userdata;
    size_t size = strlen(page->text);

    snprintf(page->text + size, sizeof(page->text) - size, "%s/%s/%s/%zu/%u ", m->id,
             m->group_id ? m->group_id : "-", m->reason, m->bytes, (unsigned)m->rejected_usec);
    page->last = m->number;
    return ++page->n < page->n_max;
}

static void rejected_messages_are_listed_with_their_reason(void **state)
{
    struct spool *s = reopen(*state);
    struct page page = {.n_max = 2};
    const struct spool_message *m[4];

    add_many(s, "a", 1, 4);
    assert_int_equal(spool_commit(s), 0);
    m[0] = next(s, "a1");
    m[1] = next(s, "a2");
    m[2] = next(s, "a3");
    m[3] = next(s, "a4");
    spool_settle(s, m[2], "bad three", 33);
    spool_settle(s, m[0], "bad one", 11);
    assert_counts(s, 2, 2, 8);
    assert_int_equal(spool_commit(s), 0);
    spool_settle(s, m[1], "bad two", 22);
    assert_int_equal(spool_commit(s), 0);
    s = reopen(*state);
    assert_counts(s, 1, 3, 8);
    next(s, "a4");

    assert_int_equal(spool_rejected(s, 0, on_rejected, &page), 0);
    assert_int_equal(page.n, 2);
    assert_string_equal(page.text, "a1/a/bad one/2/11 a2/a/bad two/2/22 ");
    page = (struct page){.n_max = 100, .last = page.last};
    assert_int_equal(spool_rejected(s, page.last, on_rejected, &page), 0);
    assert_string_equal(page.text, "a3/a/bad three/2/33 ");
}

static bool on_long_reason(void *userdata, const struct rejected_message *m)
{
    *(size_t *)userdata = strlen(m->reason);
    return true;
}

static void a_reason_is_cut_between_characters(void **state)
{
    struct spool *s = reopen(*state);
    char reason[SPOOL_REASON_MAX_BYTES + 8];
    size_t found = 0;

    add(s, "a1");
    assert_int_equal(spool_commit(s), 0);
    memset(reason, 'x', sizeof(reason));
    strcpy(reason + SPOOL_REASON_MAX_BYTES - 1, "\xc3\xa9"); /* one character, two bytes */
    spool_settle(s, next(s, "a1"), reason, 1);
    assert_int_equal(spool_commit(s), 0);
    assert_int_equal(spool_rejected(s, 0, on_long_reason, &found), 0);
    assert_int_equal(found, SPOOL_REASON_MAX_BYTES - 1);
}

static void a_message_that_is_retried_is_the_last_and_keeps_its_names(void **state)
{
    struct spool *s = reopen(*state);
    size_t n = 0;

    add_many(s, "a", 1, 3);
    assert_int_equal(spool_commit(s), 0);
    spool_settle(s, next(s, "a1"), "no", 1);
    next(s, "a2");
    assert_int_equal(spool_retry(s, "a2", &n), STORE_E_NO_SUCH_ID);
    assert_int_equal(spool_retry(s, "a1", &n), 0); /* its rejection was not written yet */
    assert_int_equal(n, 1);
    assert_counts(s, 3, 0, 6);
    add(s, "a4");
    assert_int_equal(spool_commit(s), 0);
    next(s, "a3");
    next(s, "a1");
    next(s, "a4");
    s = reopen(*state);
    assert_counts(s, 4, 0, 8);
    next(s, "a2");
    next(s, "a3");
    next(s, "a1");
    next(s, "a4");
    next_none(s);
    assert_int_equal(spool_retry(s, "a1", &n), STORE_E_NO_SUCH_ID);
}

static void messages_are_dropped_one_by_one_or_all(void **state)
{
    struct spool *s = reopen(*state);
    size_t n = 0;

    add_many(s, "a", 1, 4);
    assert_int_equal(spool_commit(s), 0);
    for (unsigned i = 0; i < 3; i++) {
        const struct spool_message *m = NULL;

        assert_int_equal(spool_next(s, &m), 0);
        spool_settle(s, m, "no", 1);
    }
    assert_int_equal(spool_drop(s, "a4", &n), STORE_E_NO_SUCH_ID);
    assert_int_equal(spool_drop(s, "a2", &n), 0);
    assert_int_equal(n, 1);
    assert_counts(s, 1, 2, 6);
    assert_int_equal(spool_drop(s, NULL, &n), 0);
    assert_int_equal(n, 2);
    assert_counts(s, 1, 0, 2);
    assert_int_equal(spool_drop(s, NULL, &n), 0);
    assert_int_equal(n, 0);
    s = reopen(*state);
    assert_counts(s, 1, 0, 2);
    next(s, "a4");
}

static void a_message_that_is_retried_or_dropped_is_so_for_good(void **state)
{
    struct spool *s = reopen(*state);
    size_t n = 0;

    add_many(s, "a", 1, 4);
    assert_int_equal(spool_commit(s), 0);
    for (unsigned i = 0; i < 4; i++) {
        const struct spool_message *m = NULL;

        assert_int_equal(spool_next(s, &m), 0);
        spool_settle(s, m, "no", 1); /* written with the first retry, in no sync of its own */
    }
    n_syncs = 0;
    assert_int_equal(spool_retry(s, "a1", &n), 0);
    assert_syncs(1);
    assert_int_equal(spool_drop(s, "a2", &n), 0);
    assert_syncs(2);
    assert_int_equal(spool_retry(s, "a2", &n), STORE_E_NO_SUCH_ID);
    assert_syncs(2);
    assert_int_equal(spool_retry(s, NULL, &n), 0); /* the two left */
    assert_int_equal(n, 2);
    assert_syncs(3);
}

static void all_is_done_in_parts(void **state)
{
    struct spool *s = reopen(*state);
    const struct spool_message *m = NULL;
    size_t n = 0;

    for (unsigned i = 0; i < STORE_BULK_MAX + 5; i++)
        add_many(s, "a", i + 1, 1);
    assert_int_equal(spool_commit(s), 0);
    while (spool_next(s, &m) == 0)
        spool_settle(s, m, "no", 1);
    assert_int_equal(spool_retry(s, NULL, &n), STORE_E_MORE);
    assert_int_equal(n, STORE_BULK_MAX);
    assert_counts(s, STORE_BULK_MAX, 5, spool_counts(s).bytes);
    assert_int_equal(spool_retry(s, NULL, &n), 0);
    assert_int_equal(n, 5);
    next(s, "a1");
}

/* One transaction of many large messages would keep the loop waiting. */
static void all_is_done_in_parts_of_so_many_bytes(void **state)
{
    enum { LARGE_BYTES = 1024 * 1024, N = STORE_BULK_MAX_BYTES / LARGE_BYTES + 2 };
    struct spool *s = reopen(*state);
    CLEANUP(free) char *body = malloc(LARGE_BYTES);
    const struct spool_message *m = NULL;
    size_t n = 0;

    assert_non_null(body);
    memset(body, 'x', LARGE_BYTES);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(spool_add(s, "a",
                                   &(struct sqs_message){.body = body,
                                                         .body_bytes = LARGE_BYTES,
                                                         .group_id = "g",
                                                         .deduplication_id = "d",
                                                         .delay_sec = -1},
                                   NULL),
                         0);
        assert_int_equal(spool_commit(s), 0);
    }
    while (spool_next(s, &m) == 0)
        spool_settle(s, m, "no", 1);
    assert_int_equal(spool_retry(s, NULL, &n), STORE_E_MORE);
    assert_int_equal(n, STORE_BULK_MAX_BYTES / LARGE_BYTES);
    assert_int_equal(spool_drop(s, NULL, &n), 0);
    assert_int_equal(n, 2);
    assert_counts(s, N - 2, 0, (uint64_t)(N - 2) * LARGE_BYTES);
}

static void a_change_that_cannot_be_written_has_not_happened(void **state)
{
    struct spool *s = reopen(*state);
    size_t n = 0;

    add(s, "a1");
    assert_int_equal(spool_commit(s), 0);
    spool_settle(s, next(s, "a1"), "no", 1);
    assert_int_equal(spool_commit(s), 0);
    write_error = ENOSPC;
    assert_int_equal(spool_retry(s, "a1", &n), -ENOSPC);
    assert_int_equal(spool_drop(s, NULL, &n), -ENOSPC);
    write_error = 0;
    assert_counts(s, 0, 1, 2);
    next_none(s);
    assert_int_equal(spool_retry(s, "a1", &n), 0);
    next(s, "a1");
}

/* --- Opening --- */

static void change(const char *sql)
{
    char *message = NULL;
    sqlite3 *file;

    assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
    if (sqlite3_exec(file, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(file);
}

static void refused(struct fixture *f, const char *words)
{
    CLEANUP(free) char *error = NULL;

    assert_int_equal(spool_open(&f->options, &f->spool, &error), SPOOL_E_UNUSABLE);
    if (!strstr(error, words))
        fail_msg("\"%s\" is not in: %s", words, error);
}

static void a_spool_serves_one_kind_of_queue(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);

    f->options.is_fifo = false;
    s = reopen(f); /* it is empty */
    f->options.is_fifo = true;
    s = reopen(f);
    add(s, "a1");
    assert_int_equal(spool_commit(s), 0);
    f->spool = spool_free(s);
    f->options.is_fifo = false;
    refused(f, "the spool holds 1 messages for a FIFO queue, and aws.queue_url names a standard");
    f->options.is_fifo = true;
    next(reopen(f), "a1");
}

/* What systemd is told. Overrides libsystemd's. */
static char notified[256];

int sd_notifyf(int unset, const char *format, ...)
{
    size_t size = strlen(notified);
    va_list ap;

    va_start(ap, format);
    vsnprintf(notified + size, sizeof(notified) - size, format, ap);
    va_end(ap);
    strncat(notified, " ", sizeof(notified) - strlen(notified) - 1);
    return 0;
}

/* A second look reads all of the file. */
static void damage_met_while_running_is_looked_at_without_the_watchdog(void **state)
{
    static char junk[8 * MIB];
    struct spool *s = reopen(*state);
    const struct spool_message *m;
    struct stat st;
    int fd, r;

    for (unsigned i = 0; i < 2000; i++)
        assert_int_equal(spool_add(s, "a",
                                   &(struct sqs_message){.body = junk + MIB,
                                                         .body_bytes = 1000,
                                                         .group_id = "g",
                                                         .deduplication_id = "d",
                                                         .delay_sec = -1},
                                   NULL),
                         0);
    assert_int_equal(spool_commit(s), 0);
    s = reopen(*state);
    assert_int_equal(stat(path, &st), 0);
    assert_in_range(st.st_size, MIB, sizeof(junk));
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, junk, (size_t)st.st_size - 4 * 4096, 4 * 4096),
                     st.st_size - 4 * 4096);
    close(fd);
    notified[0] = '\0';
    setenv("WATCHDOG_USEC", "30000000", 1);
    while ((r = spool_next(s, &m)) == 0)
        spool_settle(s, m, NULL, 1);
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(r, -EUCLEAN);
    assert_string_equal(notified, "WATCHDOG_USEC=3600000000 WATCHDOG_USEC=30000000 ");
}

/* Rejects what is next, whatever its names are. */
static void reject_next(struct spool *s)
{
    const struct spool_message *m = NULL;

    assert_int_equal(spool_next(s, &m), 0);
    spool_settle(s, m, "no", 1);
}

static struct spool *change_kind(struct fixture *f, bool is_fifo)
{
    f->spool = spool_free(f->spool);
    f->options.is_fifo = is_fifo;
    return reopen(f);
}

static void rejected_messages_of_a_fifo_queue_are_retried_on_a_standard_one(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    const struct spool_message *m = NULL;
    size_t n = 0;

    add_many(s, "a", 1, 2);
    assert_int_equal(spool_commit(s), 0);
    reject_next(s);
    reject_next(s);
    assert_int_equal(spool_sync(s), 0);
    s = change_kind(f, false);
    assert_counts(s, 0, 2, 4);
    assert_int_equal(spool_retry(s, NULL, &n), 0);
    assert_int_equal(n, 2);
    s = reopen(f);
    for (n = 1; n <= 2; n++) {
        assert_int_equal(spool_next(s, &m), 0);
        assert_string_equal(m->head.message.group_id, "a");
        assert_null(m->head.message.deduplication_id);
        assert_int_equal(m->head.id[1], '0' + n);
    }
}

/* What lists or drops messages need not know the queue. */
static void a_command_that_keeps_the_kind_opens_a_spool_of_either(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    size_t n = 0;

    add_many(s, "a", 1, 2);
    assert_int_equal(spool_commit(s), 0);
    reject_next(s);
    assert_int_equal(spool_sync(s), 0);
    f->options.is_command = f->options.is_kind_unknown = true;
    s = change_kind(f, false);
    assert_counts(s, 1, 1, 4);
    assert_int_equal(spool_retry(s, NULL, &n), 0);
    f->options.is_command = f->options.is_kind_unknown = false;
    s = change_kind(f, true);
    next(s, "a2");
    next(s, "a1"); /* with the name that a FIFO queue asks for */
}

static void add_standard(struct spool *s, const char *id, const char *group)
{
    assert_int_equal(spool_add(s, id,
                               &(struct sqs_message){
                                   .body = "x", .body_bytes = 1, .group_id = group, .delay_sec = 9},
                               NULL),
                     0);
}

static void only_messages_with_a_group_are_retried_on_a_fifo_queue(void **state)
{
    struct fixture *f = *state;
    struct spool *s = change_kind(f, false);
    const struct spool_message *m = NULL;
    size_t n = 0;

    add_standard(s, "none", NULL);
    add_standard(s, "some", "g");
    assert_int_equal(spool_commit(s), 0);
    reject_next(s);
    reject_next(s);
    assert_int_equal(spool_sync(s), 0);
    s = change_kind(f, true);
    assert_int_equal(spool_retry(s, "none", &n), STORE_E_NO_GROUP);
    assert_int_equal(spool_retry(s, "other", &n), STORE_E_NO_SUCH_ID);
    assert_int_equal(spool_retry(s, NULL, &n), STORE_E_MORE);
    assert_int_equal(n, 1);
    assert_int_equal(spool_retry(s, NULL, &n), STORE_E_NO_GROUP);
    assert_counts(s, 1, 1, 2);
    s = reopen(f);
    assert_int_equal(spool_next(s, &m), 0);
    assert_string_equal(m->head.message.deduplication_id, "some");
    assert_int_equal(m->head.message.delay_sec, -1);
    next_none(s);
    assert_int_equal(spool_drop(s, "none", &n), 0);
    assert_counts(s, 1, 0, 1);
}

/* Where a change of the queue makes the checksum be written anew, what it says is looked at before:
 * else it would vouch for the damage. */
static void a_damaged_row_that_is_retried_on_another_kind_is_set_aside_again(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    const struct spool_message *m = NULL;
    size_t n = 0;

    add_many(s, "a", 1, 2);
    assert_int_equal(spool_commit(s), 0);
    reject_next(s);
    reject_next(s);
    assert_int_equal(spool_sync(s), 0);
    f->spool = spool_free(f->spool);
    change("UPDATE rejected SET body = 'xx' WHERE id = 'a1'");
    f->options.is_fifo = false;
    s = reopen(f);
    assert_int_equal(spool_retry(s, NULL, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(spool_next(s, &m), SPOOL_E_DAMAGED_ROW);
    assert_string_equal(spool_last_damaged_row(s)->id, "a1");
    assert_int_equal(spool_next(s, &m), 0);
    assert_string_equal(m->head.id, "a2");
    /* A person says so a second time. */
    assert_int_equal(spool_retry(s, "a1", &n), 0);
    assert_int_equal(spool_next(s, &m), 0);
    assert_string_equal(m->head.message.body, "xx");
    assert_null(m->head.message.deduplication_id);
}

static void a_damaged_file_is_refused_and_left_as_it_is(void **state)
{
    CLEANUP(buffer_done) struct buffer before = BUFFER_INIT(MIB), after = BUFFER_INIT(MIB);
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    FILE *file;

    add_many(s, "a", 1, 200);
    assert_int_equal(spool_commit(s), 0);
    f->spool = spool_free(s);
    file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, 4096, SEEK_SET);
    for (int i = 0; i < 3 * 4096; i++)
        fputc(i * 7 % 251, file);
    fclose(file);
    assert_int_equal(file_read(path, MIB, &before), 0);
    refused(f, "damaged");
    assert_int_equal(file_read(path, MIB, &after), 0);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
}

/* --- All together --- */

enum { N_GROUPS = 5, N_OUT_MAX = 200 };

struct play {
    struct spool *spool;
    unsigned n_added[N_GROUPS], n_sent[N_GROUPS], n_in_flight[N_GROUPS];
    const struct spool_message *out[N_OUT_MAX];
    size_t n;
    unsigned seed;
};

static unsigned chance(struct play *p, unsigned n)
{
    p->seed = p->seed * 1103515245 + 12345;
    return (p->seed >> 16) % n;
}

static void play_next(struct play *p)
{
    const struct spool_message *m;
    unsigned group;
    char name[32];

    if (p->n == N_OUT_MAX || spool_next(p->spool, &m) != 0)
        return;
    group = (unsigned)(m->head.id[0] - 'a');
    snprintf(name, sizeof(name), "%c%u", (char)('a' + group),
             p->n_sent[group] + p->n_in_flight[group]++);
    assert_string_equal(m->head.id, name);
    assert_true(p->n_in_flight[group] <= SPOOL_GROUP_IN_FLIGHT_MAX);
    p->out[p->n++] = m;
}

/* As the engine does: of a group, the first that is out is settled first. */
static void play_settle(struct play *p)
{
    size_t i = p->n > 0 ? chance(p, (unsigned)p->n) : 0;

    for (size_t k = 0; k < i; k++)
        if (p->out[k]->head.id[0] == p->out[i]->head.id[0])
            i = k;
    if (p->n == 0)
        return;
    p->n_sent[p->out[i]->head.id[0] - 'a']++;
    p->n_in_flight[p->out[i]->head.id[0] - 'a']--;
    sent(p->spool, p->out[i]);
    memmove(&p->out[i], &p->out[i + 1], (--p->n - i) * sizeof(p->out[0]));
}

static void play_add(struct play *p)
{
    unsigned group = chance(p, 3) ? 0 : chance(p, N_GROUPS); /* one has the most */
    char name[2] = {(char)('a' + group), '\0'};

    add_many(p->spool, name, p->n_added[group]++, 1);
    assert_int_equal(spool_commit(p->spool), 0);
}

static void every_group_keeps_its_order_whatever_happens(void **state)
{
    struct play p = {.spool = reopen(*state), .seed = (unsigned)getpid()};
    unsigned left = 0;

    print_message("# seed %u\n", p.seed);
    for (int i = 0; i < 20000; i++) {
        unsigned what = chance(&p, 100);

        if (what < 30) {
            play_add(&p);
        } else if (what < 65) {
            play_next(&p);
        } else if (what < 99 || chance(&p, 20)) {
            play_settle(&p);
        } else {
            assert_int_equal(spool_flush(p.spool), 0);
            p.spool = reopen(*state);
            p.n = 0;
            memset(p.n_in_flight, 0, sizeof(p.n_in_flight));
        }
    }
    for (int i = 0; i < 100000 && spool_counts(p.spool).waiting > 0; i++) {
        play_next(&p);
        play_settle(&p);
    }
    for (int i = 0; i < N_GROUPS; i++)
        left += p.n_added[i] - p.n_sent[i];
    assert_int_equal(left, 0);
    assert_counts(p.spool, 0, 0, 0);
}

/* --- What is on disk already --- */

/* The file as a version before this one wrote it. */
static void lay_out_version_1(void)
{
    CLEANUP(buffer_done) struct buffer sql = BUFFER_INIT(1 << 16);

    assert_int_equal(
        file_read(SOURCE_ROOT "/tests/unit/data/spool-version-1.sql", sql.max - 1, &sql), 0);
    change(buffer_string(&sql));
    change("PRAGMA journal_mode = WAL");
}

static const struct sqs_message *next_message(struct spool *s)
{
    const struct spool_message *m = NULL;

    assert_int_equal(spool_next(s, &m), 0);
    return &m->head.message;
}

static void assert_is_version_1(struct spool *s)
{
    struct page page = {.n_max = 100};
    const struct sqs_message *m;

    assert_counts(s, 3, 2, 2356);
    m = next_message(s);
    assert_string_equal(m->body, "one");
    assert_string_equal(m->group_id, "a");
    assert_string_equal(m->deduplication_id, "waiting-1");
    m = next_message(s);
    assert_string_equal(m->body, "two");
    assert_int_equal(m->n_attributes, 2);
    assert_true(m->attributes[1].is_binary);
    assert_memory_equal(m->attributes[1].value, "\0\xff", 2);
    m = next_message(s);
    assert_string_equal(m->body, "three \xc3\xa9 \"quoted\"");
    assert_int_equal(spool_rejected(s, 0, on_rejected, &page), 0);
    assert_int_equal(page.n, 2);
}

static void a_file_of_the_version_before_goes_on(void **state)
{
    struct spool *s;
    size_t n = 0;

    lay_out_version_1();
    s = reopen(*state);
    assert_is_version_1(s);
    assert_int_equal(spool_retry(s, NULL, &n), 0);
    assert_int_equal(n, 2);
    add(s, "new1");
    assert_int_equal(spool_commit(s), 0);
    s = reopen(*state);
    for (unsigned i = 0; i < 5; i++)
        next_message(s);
    next(s, "new1");
    next_none(s);
}

static void a_full_disk_leaves_the_file_as_it_was_and_starts(void **state)
{
    struct spool *s;

    lay_out_version_1();
    write_error = ENOSPC;
    no_fallocate = true;
    s = reopen(*state);
    assert_is_version_1(s);
    write_error = 0;
    no_fallocate = false;
    add(s, "new1");
    assert_int_equal(spool_commit(s), 0);
    spool_settle(s, next(s, "new1"), "no", 1);
    assert_int_equal(spool_sync(s), 0);
    s = reopen(*state); /* now it is changed */
    assert_counts(s, 3, 3, 2360);
    for (unsigned i = 0; i < 3; i++)
        next_message(s);
    next_none(s);
}

/* A row of many that something has happened to: the others go out, in order. */
static void damaged(struct fixture *f, const char *sql, const char *reason)
{
    struct spool *s;
    struct page page = {.n_max = 100};
    const struct spool_message *m;
    size_t n = 0;
    int r;

    f->spool = spool_free(f->spool);
    unlink(path);
    s = reopen(f);
    add_many(s, "a", 1, 3);
    add_many(s, "b", 1, 2);
    assert_int_equal(spool_commit(s), 0);
    f->spool = spool_free(f->spool);
    change(sql);
    s = reopen(f);
    for (const char *const *name = (const char *const[]){"a1", "a3", "b1", "b2", NULL}; *name;) {
        while ((r = spool_next(s, &m)) == SPOOL_E_DAMAGED_ROW) {
            assert_non_null(strstr(spool_last_damaged_row(s)->reason, reason));
            assert_int_equal(spool_last_damaged_row(s)->error, 0);
        }
        if (r != 0)
            fail_msg("%s: %d instead of %s", sql, r, *name);
        assert_string_equal(m->head.id, *name++);
        sent(s, m);
    }
    assert_int_equal(spool_next(s, &m), SPOOL_E_NOT_YET);
    assert_int_equal(spool_counts(s).waiting, 0);
    assert_int_equal(spool_counts(s).rejected, 1);
    assert_int_equal(spool_rejected(s, 0, on_rejected, &page), 0);
    assert_int_equal(page.n, 1);
    if (!strstr(page.text, reason))
        fail_msg("%s: %s is not in %s", sql, reason, page.text);
    assert_int_equal(spool_sync(s), 0);
    s = reopen(f);
    assert_counts(s, 0, 1, spool_counts(s).bytes);
    assert_int_equal(spool_drop(s, NULL, &n), 0);
    assert_int_equal(n, 1);
    assert_counts(s, 0, 0, 0);
}

static void a_damaged_row_is_set_aside_and_the_others_go_out(void **state)
{
    static const char *const changes[][2] = {
        {"group_id = NULL", "it has no group"},
        {"group_id = ''", "its group is none"},
        {"group_id = 'a b'", "its group is none"},
        {"group_id = hex(zeroblob(1000))", "its group is none"},
        {"group_id = 'a' || char(0) || 'b'", "its group is none"},
        {"deduplication_id = hex(zeroblob(65))", "its deduplication id is none"},
        {"id = ''", "its id is none"},
        {"id = char(10)", "its id is none"},
        {"attributes = X'61'", "its attributes cannot be read"},
        {"attributes = X'6100537472696E6700FFFFFFFF'", "its attributes cannot be read"},
        {"bytes = 3", "its size is not"},
        {"bytes = -1", "its size is not"},
        {"bytes = 9223372036854775807", "its size is not"},
        {"bytes = -9223372036854775808", "its size is not"},
        {"delay_sec = 901", "its delay is none"},
        {"delay_sec = 4294967295", "its delay is none"},
        {"body = 'a3'", "its checksum is not"},
        {"deduplication_id = 'other'", "its checksum is not"},
        {"group_id = 'c'", "its checksum is not"},
        {"delay_sec = 0", "its checksum is not"},
        {"checksum = checksum + 1", "its checksum is not"},
        {"number = 0", "its place in the order is none"},
        {"number = -5", "its place in the order is none"},
        {"number = 9223372036854775807", "its place in the order is none"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        char sql[256], reason[64];

        snprintf(sql, sizeof(sql), "UPDATE waiting SET %s WHERE id = 'a2'", changes[i][0]);
        snprintf(reason, sizeof(reason), "%s", changes[i][1]);
        damaged(*state, sql, reason);
    }
}

/* In the middle of a group of which enough is out: there it is found by its group. */
static void a_damaged_row_of_a_group_that_waits_is_set_aside_too(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    const struct spool_message *a[SPOOL_GROUP_IN_FLIGHT_MAX], *m;
    char name[32];

    add_many(s, "a", 1, SPOOL_GROUP_IN_FLIGHT_MAX + 3);
    assert_int_equal(spool_commit(s), 0);
    f->spool = spool_free(f->spool);
    change("UPDATE waiting SET attributes = X'61' WHERE id = 'a21'");
    s = reopen(f);
    for (unsigned i = 0; i < SPOOL_GROUP_IN_FLIGHT_MAX; i++) {
        snprintf(name, sizeof(name), "a%u", i + 1);
        a[i] = next(s, name);
    }
    next_none(s);
    sent(s, a[0]);
    assert_int_equal(spool_next(s, &m), SPOOL_E_DAMAGED_ROW);
    assert_string_equal(spool_last_damaged_row(s)->id, "a21");
    next(s, "a22");
    next_none(s);
    sent(s, a[1]);
    next(s, "a23");
}

/* What comes next cannot be read for want of memory, and can be later. */
static void lack_memory(struct spool *s, const char *name)
{
    static const int columns[] = {SPOOL_COLUMN_GROUP_ID, SPOOL_COLUMN_ID};
    const struct spool_message *m = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        lacking_column = columns[i];
        assert_int_equal(spool_next(s, &m), -ENOMEM);
    }
    lacking_column = -1;
    next(s, name);
}

static void a_row_that_memory_lacks_for_is_not_damaged(void **state)
{
    struct spool *s = reopen(*state);
    const struct spool_message *first;
    size_t n = 0;

    add_many(s, "a", 1, SPOOL_GROUP_IN_FLIGHT_MAX + 1);
    add(s, "b1");
    assert_int_equal(spool_commit(s), 0);
    first = next(s, "a1");
    for (unsigned i = 2; i <= SPOOL_GROUP_IN_FLIGHT_MAX; i++) {
        char name[16];

        snprintf(name, sizeof(name), "a%u", i);
        next(s, name);
    }
    lack_memory(s, "b1"); /* in order, past a group that has to wait */
    sent(s, first);
    lack_memory(s, "a21"); /* of the group */
    assert_counts(s, SPOOL_GROUP_IN_FLIGHT_MAX + 1, 0, spool_counts(s).bytes);
    /* Nor is it when it is retried. */
    add(s, "c1");
    assert_int_equal(spool_commit(s), 0);
    spool_settle(s, next(s, "c1"), "no", 1);
    assert_int_equal(spool_flush(s), 0);
    lacking_column = SPOOL_COLUMN_ID;
    assert_int_equal(spool_retry(s, NULL, &n), -ENOMEM);
    lacking_column = -1;
    assert_int_equal(spool_retry(s, NULL, &n), 0);
    next(s, "c1");
}

static void a_damaged_row_that_cannot_be_set_aside_is_passed_over(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    const struct spool_message *m;

    add_many(s, "a", 1, 2);
    assert_int_equal(spool_commit(s), 0);
    f->spool = spool_free(f->spool);
    change("UPDATE waiting SET bytes = 99 WHERE id = 'a1'");
    s = reopen(f);
    write_error = EIO;
    assert_int_equal(spool_next(s, &m), SPOOL_E_DAMAGED_ROW);
    assert_int_equal(spool_last_damaged_row(s)->error, -EIO);
    write_error = 0;
    next(s, "a2");
    next_none(s);
    s = reopen(f);
    assert_int_equal(spool_next(s, &m), SPOOL_E_DAMAGED_ROW);
    next(s, "a2");
}

/* In the place of one that waits, that could never be rejected; or in none that a list comes to. */
static void rejected_rows_in_wrong_places_are_in_nobody_s_way(void **state)
{
    static const char *const numbers[] = {"2", "-2", "0", "9223372036854775807"};

    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        struct fixture *f = *state;
        struct page page = {.n_max = 100};
        char sql[128];
        struct spool *s;

        f->spool = spool_free(f->spool);
        unlink(path);
        s = reopen(f);
        add_many(s, "a", 1, 2);
        assert_int_equal(spool_commit(s), 0);
        spool_settle(s, next(s, "a1"), "no", 1);
        assert_int_equal(spool_sync(s), 0);
        f->spool = spool_free(f->spool);
        snprintf(sql, sizeof(sql), "UPDATE rejected SET number = %s", numbers[i]);
        change(sql);
        s = reopen(f);
        spool_settle(s, next(s, "a2"), "no", 2);
        assert_int_equal(spool_sync(s), 0);
        assert_int_equal(spool_rejected(s, 0, on_rejected, &page), 0);
        assert_int_equal(page.n, 2);
    }
}

/* To retry it is to send it as it is. */
static void a_row_with_another_checksum_goes_when_a_person_says_so(void **state)
{
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    const struct spool_message *m;
    size_t n = 0;

    add_many(s, "a", 1, 1);
    assert_int_equal(spool_commit(s), 0);
    f->spool = spool_free(f->spool);
    change("UPDATE waiting SET body = 'xx'");
    s = reopen(f);
    assert_int_equal(spool_next(s, &m), SPOOL_E_DAMAGED_ROW);
    assert_int_equal(spool_retry(s, "a1", &n), 0);
    next(s, "a1");
}

/* Bits of pages: whatever they hit, the spool opens or says why not, and no message comes out that
 * was not handed in. */
static void a_file_with_changed_bits_gives_out_nothing_else(void **state)
{
    CLEANUP(buffer_done) struct buffer good = BUFFER_INIT(1 << 20);
    struct fixture *f = *state;
    struct spool *s = reopen(f);
    unsigned n_in_flight = 0, n_set_aside = 0, n_refused = 0;

    add_many(s, "a", 1, 40);
    assert_int_equal(spool_commit(s), 0);
    f->spool = spool_free(f->spool);
    assert_int_equal(file_read(path, good.max - 1, &good), 0);
    for (unsigned i = 0; i < 600; i++) {
        CLEANUP(free) char *error = NULL;
        const struct spool_message *m;
        unsigned seed = i;
        size_t at = (size_t)rand_r(&seed) % good.size;
        int fd = open(path, O_WRONLY | O_CLOEXEC | O_TRUNC), r;

        good.data[at] = (char)(good.data[at] ^ 1 << (i % 8));
        assert_int_equal(write(fd, good.data, good.size), good.size);
        good.data[at] = (char)(good.data[at] ^ 1 << (i % 8));
        close(fd);
        unlink(log_path);
        r = spool_open(&f->options, &f->spool, &error);
        n_refused += r != 0;
        while (r == 0 && (r = spool_next(f->spool, &m)) >= 0 && r != SPOOL_E_NOT_YET) {
            n_set_aside += r == SPOOL_E_DAMAGED_ROW;
            if (r == 0) {
                assert_string_equal(m->head.id, m->head.message.body);
                assert_string_equal(m->head.id, m->head.message.deduplication_id);
                assert_string_equal(m->head.message.group_id, "a");
                sent(f->spool, m);
                n_in_flight++;
            }
            r = 0;
        }
        f->spool = spool_free(f->spool);
    }
    assert_true(n_in_flight > 600 && n_refused > 0);
    assert_true(n_set_aside > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_comes_out_as_it_came_in),
        TEST(nothing_goes_out_before_it_is_committed),
        TEST(what_was_added_waits_for_its_commit_whatever_else_is_written),
        TEST(messages_that_come_together_share_a_sync),
        TEST(what_was_settled_is_synced_only_where_that_is_asked_for),
        TEST(messages_keep_their_order_over_a_restart_and_those_sent_are_gone),
        TEST(what_was_flushed_survives_a_kill),
        TEST(a_mark_keeps_its_time),
        TEST(a_group_that_is_stuck_lets_others_go),
        TEST(a_long_way_past_a_stuck_group_is_gone_in_steps),
        TEST(what_is_out_is_bounded_in_bytes),
        TEST(a_full_spool_says_which_bound_it_is),
        TEST(a_disk_that_takes_nothing_loses_nothing),
        TEST(the_reserve_is_for_what_is_sent_and_not_for_what_comes),
        TEST(room_inside_the_file_serves_where_the_disk_has_none),
        TEST(rejected_messages_are_listed_with_their_reason),
        TEST(a_reason_is_cut_between_characters),
        TEST(a_message_that_is_retried_is_the_last_and_keeps_its_names),
        TEST(messages_are_dropped_one_by_one_or_all),
        TEST(a_message_that_is_retried_or_dropped_is_so_for_good),
        TEST(all_is_done_in_parts),
        TEST(all_is_done_in_parts_of_so_many_bytes),
        TEST(a_change_that_cannot_be_written_has_not_happened),
        TEST(damage_met_while_running_is_looked_at_without_the_watchdog),
        TEST(a_spool_serves_one_kind_of_queue),
        TEST(rejected_messages_of_a_fifo_queue_are_retried_on_a_standard_one),
        TEST(a_command_that_keeps_the_kind_opens_a_spool_of_either),
        TEST(only_messages_with_a_group_are_retried_on_a_fifo_queue),
        TEST(a_damaged_row_that_is_retried_on_another_kind_is_set_aside_again),
        TEST(a_damaged_file_is_refused_and_left_as_it_is),
        TEST(every_group_keeps_its_order_whatever_happens),
        TEST(a_file_of_the_version_before_goes_on),
        TEST(a_full_disk_leaves_the_file_as_it_was_and_starts),
        TEST(a_damaged_row_is_set_aside_and_the_others_go_out),
        TEST(a_damaged_row_of_a_group_that_waits_is_set_aside_too),
        TEST(a_row_that_memory_lacks_for_is_not_damaged),
        TEST(a_damaged_row_that_cannot_be_set_aside_is_passed_over),
        TEST(rejected_rows_in_wrong_places_are_in_nobody_s_way),
        TEST(a_row_with_another_checksum_goes_when_a_person_says_so),
        TEST(a_file_with_changed_bits_gives_out_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
