/* SPDX-License-Identifier: MIT */
#include "fake-log.h"
#include "producerd/source-spool.h"
#include "test-loop.h"
#include "test.h"

#include <sqlite3.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "producerd/spool/spool.h"
#include "util/clock.h"

/* --- The disk --- */

static unsigned n_syncs;

int fdatasync(int fd)
{
    n_syncs++;
    return 0;
}

int fsync(int fd)
{
    return fdatasync(fd);
}

static int write_error; /* what each writing fails with; 0: none does */
static unsigned n_failed_writes;

static ssize_t test_write(int fd, const void *data, size_t bytes, off_t offset)
{
    if (write_error == 0)
        return pwrite(fd, data, bytes, offset);
    n_failed_writes++;
    errno = write_error;
    return -1;
}

static void replace_writes(sqlite3_syscall_ptr function)
{
    static const char *const names[] = {"pwrite", "pwrite64"};
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        vfs->xSetSystemCall(vfs, names[i], function);
}

/* --- Helpers --- */

struct fixture {
    sd_event *event;
    struct config config;
    struct source *source;
    char folder[64], file[96], log[128], reserve[128], socket[96];
    unsigned n_ready;
    int fd; /* of the submitter */
};

static void on_ready(void *userdata)
{
    struct fixture *f = userdata;

    f->n_ready++;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->folder, "/tmp/test-source-spool.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->file, sizeof(f->file), "%s/" SPOOL_FILE_NAME, f->folder);
    snprintf(f->log, sizeof(f->log), "%s-wal", f->file);
    snprintf(f->reserve, sizeof(f->reserve), "%s-reserve", f->file);
    snprintf(f->socket, sizeof(f->socket), "%s/socket", f->folder);
    assert_int_equal(setenv("STATE_DIRECTORY", f->folder, 1), 0);
    assert_true(sd_event_new(&f->event) >= 0);
    f->config.producer.submit_socket = f->socket;
    f->config.producer.spool_max_messages = 100;
    f->config.producer.spool_max_bytes = 1 << 30;
    f->config.producer.max_connections = 1;
    f->fd = -1;
    *state = f;
    return 0;
}

static void stop(struct fixture *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->source = source_free(f->source);
    f->fd = -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    write_error = 0;
    stop(f);
    replace_writes(NULL);
    sd_event_unref(f->event);
    unlink(f->file);
    unlink(f->log);
    unlink(f->reserve);
    rmdir(f->folder);
    free(f);
    return 0;
}

static void start(struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP(free) char *error = NULL;

    if (source_spool_new(f->event, &f->config, true, on_ready, f, &f->source, &error) != 0)
        fail_msg("%s", error);
    strcpy(address.sun_path, f->socket);
    f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(f->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void hand_in_for(struct fixture *f, const char *line, const char *wanted)
{
    char answer[512];
    ssize_t n = -1;

    assert_int_equal(send(f->fd, line, strlen(line), 0), strlen(line));
    for (uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC; n < 0;) {
        assert_true(sd_event_run(f->event, 10 * USEC_PER_MSEC) >= 0);
        n = recv(f->fd, answer, sizeof(answer), MSG_DONTWAIT);
        assert_true(boot_clock_usec() < end);
    }
    assert_memory_equal(answer, wanted, strlen(wanted));
}

static void hand_in(struct fixture *f, const char *line)
{
    hand_in_for(f, line, "{\"ok\": true");
}

static const struct source_message *next(struct fixture *f)
{
    const struct source_message *m = NULL;

    assert_int_equal(f->source->ops->next(f->source, &m), 0);
    return m;
}

/* --- Tests --- */

/* What SQS has taken is on the disk soon, though nothing comes after it: after a power cut it would
 * be sent again. */
static void last_sent_message_is_synced_by_timer(void **state)
{
    struct fixture *f = *state;
    const struct source_message *m;

    start(f);
    hand_in(f, "{\"body\": \"1\", \"group\": \"g\"}\n");
    m = next(f);
    f->source->ops->sending(f->source, &m, 1);
    f->source->ops->settle(f->source, m, SOURCE_SENT, NULL);
    n_syncs = 0;
    run_until(f->event, &n_syncs, 1);
    n_syncs = 0;
    stop(f);
    start(f);
    assert_int_equal(f->source->ops->next(f->source, &m), SOURCE_E_NOT_YET);
}

/* The producer need not end, nor look for a reason. */
static void damaged_row_is_logged_and_next_message_comes(void **state)
{
    struct fixture *f = *state;
    const struct source_message *m;
    sqlite3 *file;

    start(f);
    hand_in(f, "{\"body\": \"1\", \"group\": \"g\"}\n");
    hand_in(f, "{\"body\": \"2\", \"group\": \"g\"}\n");
    stop(f);
    assert_int_equal(sqlite3_open(f->file, &file), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(file, "UPDATE waiting SET group_id = NULL WHERE body = '1'", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(file);
    fake_n_lines = 0;
    start(f);
    assert_int_equal(f->source->ops->next(f->source, &m), SOURCE_E_NOT_YET);
    assert_int_equal(fake_count_lines("is set aside (--rejected lists it): the row is damaged"), 1);
    f->n_ready = 0;
    run_until(f->event, &f->n_ready, 1);
    assert_string_equal(next(f)->message.body, "2");
}

static bool is_trouble_described(struct fixture *f)
{
    CLEANUP(buffer_done) struct buffer status = BUFFER_INIT(1024);

    f->source->ops->describe(f->source, &status);
    return strstr(buffer_string(&status), "; the spool cannot be written: ") != NULL;
}

/* The producer hears of it, for its status; and the disk has some peace between. */
static void failed_write_is_logged_and_retried_each_second(void **state)
{
    struct fixture *f = *state;
    const struct source_message *m;
    uint64_t end;

    replace_writes((sqlite3_syscall_ptr)test_write);
    start(f);
    hand_in(f, "{\"body\": \"1\", \"group\": \"g\"}\n");
    m = next(f);
    n_syncs = 0;
    f->source->ops->sending(f->source, &m, 1);
    run_until(f->event, &n_syncs, 1); /* so that no other timer is under way */
    fake_n_lines = 0;
    f->n_ready = 0;
    write_error = EIO;
    end = clock_loop_usec(f->event) + USEC_PER_SEC * 9 / 10;
    f->source->ops->settle(f->source, m, SOURCE_SENT, NULL);
    run_until(f->event, &f->n_ready, 1);
    assert_true(is_trouble_described(f));
    assert_int_equal(fake_count_lines("The spool cannot be written: "), 1);

    /* At the first look after a second nothing has changed, at the next all is well. */
    n_failed_writes = 0;
    f->n_ready = 0;
    run_until(f->event, &n_failed_writes, 1);
    assert_true(boot_clock_usec() >= end);
    run_until(f->event, &f->n_ready, 1);
    write_error = 0;
    f->n_ready = 0;
    run_until(f->event, &f->n_ready, 1);
    assert_true(boot_clock_usec() >= end + USEC_PER_SEC);
    assert_int_equal(fake_count_lines("The spool can be written again, after 2 failures"), 1);
    assert_false(is_trouble_described(f));
    stop(f);
    start(f);
    assert_int_equal(f->source->ops->next(f->source, &m), SOURCE_E_NOT_YET);
}

static void message_submitted_during_write_failure_is_refused(void **state)
{
    struct fixture *f = *state;
    const struct source_message *m;

    replace_writes((sqlite3_syscall_ptr)test_write);
    start(f);
    write_error = EIO;
    f->n_ready = 0;
    hand_in_for(f, "{\"body\": \"1\", \"group\": \"g\"}\n",
                "{\"ok\": false, \"error\": \"cannot store now: ");
    run_until(f->event, &f->n_ready, 1);
    assert_true(is_trouble_described(f));
    assert_int_equal(f->source->ops->next(f->source, &m), SOURCE_E_NOT_YET);
    write_error = 0;
    hand_in(f, "{\"body\": \"2\", \"group\": \"g\"}\n");
    assert_string_equal(next(f)->message.body, "2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(last_sent_message_is_synced_by_timer),
        TEST(damaged_row_is_logged_and_next_message_comes),
        TEST(failed_write_is_logged_and_retried_each_second),
        TEST(message_submitted_during_write_failure_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
