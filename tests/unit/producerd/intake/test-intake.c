/* SPDX-License-Identifier: MIT */
#include "bad-lines.h"
#include "fake-log.h"
#include "producerd/intake/intake.h"
#include "producerd/intake/submission-reply.h"
#include "test-loop.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "producerd/intake/protocol.h"

enum { CLIENTS_MAX = 1100, ANSWERS_MAX_BYTES = 8 * 1024 * 1024 };

/* In the place of the spool: bodies as they were added, of the commits that succeeded. */
struct fake_store {
    struct message_store store;
    unsigned n_added, n_committed, n_commits, n_full_after;
    int commit_result, add_result;
    size_t peak_bytes;
    char last[64];    /* the body of the last message */
    char order[4096]; /* the first characters of all bodies */
    size_t n_rejected;
    struct intake *intake;
    int watched; /* a client that must have no answer before the commit */
    unsigned n_early;
};

struct client {
    int fd;
    struct buffer answers;
    bool has_ended;
};

struct fixture {
    sd_event *event;
    struct fake_store store;
    struct intake *intake;
    char path[64];
    unsigned n_stopped, n_size_asked, n_changed;
    bool is_size_asked; /* and will be answered */
    struct client clients[CLIENTS_MAX];
    size_t n_clients;
};

/* ---- Who they are ---- */

static uid_t peer_uid; /* of who connects; 0: this process's */

int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    int r = (int)syscall(SYS_getsockopt, fd, level, name, value, size);

    if (level == SOL_SOCKET && name == SO_PEERCRED && peer_uid > 0)
        ((struct ucred *)value)->uid = peer_uid;
    return r;
}

/* The boot clock of this process, moved by hand. Overrides libc's, also for the event loop. */
static time_t boot_clock_offset_sec;

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);

    if (r == 0 && clock == CLOCK_BOOTTIME)
        ret->tv_sec += boot_clock_offset_sec;
    return r;
}

/* ---- The store ---- */

static int fake_add(struct message_store *store, const char *id, const struct sqs_message *message,
                    char **error)
{
    struct fake_store *f = (struct fake_store *)store;

    assert_int_equal(strlen(id), 36);
    assert_string_equal(message->group_id, "test");
    assert_string_equal(message->deduplication_id, id);
    if (f->add_result < 0)
        return f->add_result;
    if (f->n_full_after > 0 && f->n_added >= f->n_full_after) {
        *error = strdup("the spool is full");
        return STORE_E_FULL;
    }
    snprintf(f->last, sizeof(f->last), "%.*s", (int)MIN(message->body_bytes, (size_t)60),
             message->body);
    if (f->n_added < sizeof(f->order) - 1)
        f->order[f->n_added] = message->body[0];
    f->n_added++;
    if (f->intake)
        f->peak_bytes = MAX(f->peak_bytes, intake_counts(f->intake).buffered_bytes);
    return 0;
}

static int fake_commit(struct message_store *store)
{
    struct fake_store *f = (struct fake_store *)store;
    char c;

    f->n_commits++;
    if (f->watched >= 0 && recv(f->watched, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        f->n_early++;
    if (f->commit_result < 0) {
        f->n_added = f->n_committed;
        return f->commit_result;
    }
    f->n_committed = f->n_added;
    return 0;
}

static int fake_rejected(struct message_store *store, uint64_t after,
                         bool (*found)(void *userdata, const struct rejected_message *message),
                         void *userdata)
{
    struct fake_store *f = (struct fake_store *)store;

    for (uint64_t n = after + 1; n <= f->n_rejected && n <= after + STORE_REJECTED_PAGE; n++)
        if (!found(userdata, &(struct rejected_message){.number = n,
                                                        .id = "some-id",
                                                        .group_id = "g",
                                                        .bytes = 3,
                                                        .rejected_usec = 1700000000 * USEC_PER_SEC,
                                                        .reason = "no"}))
            break;
    return 0;
}

static int fake_change(struct message_store *store, const char *id, size_t *ret_n)
{
    struct fake_store *f = (struct fake_store *)store;

    if (id && streq(id, "no-group"))
        return STORE_E_NO_GROUP;
    if (id && !streq(id, "some-id"))
        return STORE_E_NO_SUCH_ID;
    *ret_n = id ? 1 : MIN(f->n_rejected, (size_t)STORE_BULK_MAX);
    f->n_rejected -= *ret_n;
    if (!id && f->n_rejected > 0)
        return STORE_E_MORE;
    return 0;
}

static const struct message_store_ops fake_ops = {fake_add, fake_commit, fake_rejected, fake_change,
                                                  fake_change};

/* ---- The fixture ---- */

static int listen_at(struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(f->path, sizeof(f->path), "/tmp/test-intake.%d", getpid());
    unlink(f->path);
    strcpy(address.sun_path, f->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, SOMAXCONN), 0);
    return fd;
}

static void on_stopped(void *userdata)
{
    struct fixture *f = userdata;

    f->n_stopped++;
}

static void on_changed(void *userdata)
{
    struct fixture *f = userdata;

    f->n_changed++;
}

static bool on_refresh_size(void *userdata)
{
    struct fixture *f = userdata;

    f->n_size_asked++;
    return f->is_size_asked;
}

static struct fixture *set_up_with(struct submission_rules rules, uint64_t timeout_usec,
                                   uint64_t idle_usec)
{
    struct fixture *f = calloc(1, sizeof(*f));
    int fd = listen_at(f);

    peer_uid = 0;
    f->store = (struct fake_store){.store = {&fake_ops}, .watched = -1};
    assert_true(sd_event_new(&f->event) >= 0);
    assert_int_equal(intake_new(
                         &(struct intake_options){
                             .event = f->event,
                             .fd = fd,
                             .store = &f->store.store,
                             .rules = rules,
                             .timeout_usec = timeout_usec,
                             .idle_usec = idle_usec,
                             .refresh_size = on_refresh_size,
                             .stopped = on_stopped,
                             .changed = on_changed,
                             .userdata = f,
                         },
                         &f->intake),
                     0);
    f->store.intake = f->intake;
    return f;
}

static struct fixture *set_up(uint64_t timeout_usec, uint64_t idle_usec)
{
    return set_up_with(fifo, timeout_usec, idle_usec);
}

static void tear_down(struct fixture *f)
{
    for (size_t i = 0; i < f->n_clients; i++) {
        if (f->clients[i].fd >= 0)
            close(f->clients[i].fd);
        buffer_done(&f->clients[i].answers);
    }
    intake_free(f->intake);
    unlink(f->path);
    sd_event_unref(f->event);
    free(f);
}

static void fixture_free_cleanup(struct fixture **f)
{
    tear_down(*f);
}

static struct client *new_client(struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct client *c = &f->clients[f->n_clients++];

    assert_true(f->n_clients <= CLIENTS_MAX);
    strcpy(address.sun_path, f->path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    c->answers = BUFFER_INIT(ANSWERS_MAX_BYTES);
    assert_true(c->fd >= 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return c;
}

static void turn(struct fixture *f)
{
    assert_true(sd_event_run(f->event, 10 * USEC_PER_MSEC) >= 0);
}

/* Returns when all that was read is answered. */
static void stop(struct fixture *f)
{
    intake_stop(f->intake);
    assert_false(intake_has_stopped(f->intake));
    run_until(f->event, &f->n_stopped, 1);
    assert_true(intake_has_stopped(f->intake));
}

/* What the socket takes now. */
static size_t send_some(struct client *c, const char *text, size_t size)
{
    ssize_t n = send(c->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);

    assert_true(n >= 0 || errno == EAGAIN);
    return n > 0 ? (size_t)n : 0;
}

static void send_bytes(struct fixture *f, struct client *c, const char *text, size_t size)
{
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    while (size > 0) {
        size_t n = send_some(c, text, size);

        text += n;
        size -= n;
        if (size > 0)
            turn(f);
        assert_true(boot_clock_usec() < end);
    }
}

static void send_text(struct fixture *f, struct client *c, const char *text)
{
    send_bytes(f, c, text, strlen(text));
}

static void receive(struct client *c)
{
    static char bytes[65536];
    ssize_t n;

    while ((n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        assert_int_equal(buffer_append(&c->answers, bytes, (size_t)n), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        c->has_ended = true;
}

static size_t count_lines(const struct client *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->answers.size; i++)
        n += c->answers.data[i] == '\n';
    return n;
}

static void wait_for_lines(struct fixture *f, struct client *c, size_t n)
{
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    receive(c);
    while (count_lines(c) < n) {
        turn(f);
        receive(c);
        assert_true(boot_clock_usec() < end);
    }
    assert_int_equal(count_lines(c), n);
}

static void wait_for_end(struct fixture *f, struct client *c)
{
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    while (!c->has_ended) {
        turn(f);
        receive(c);
        assert_true(boot_clock_usec() < end);
    }
}

static bool is_ok(const char *line)
{
    return strncmp(line, "{\"ok\": true", 11) == 0;
}

/* The n-th answer, from 0. Its end is that of all. */
static const char *answer(const struct client *c, size_t n)
{
    const char *line = buffer_string(&c->answers);

    while (n-- > 0)
        line = strchr(line, '\n') + 1;
    return line;
}

static void assert_answer(const struct client *c, size_t n, const char *expected)
{
    assert_memory_equal(answer(c, n), expected, strlen(expected));
}

/* ---- Tests ---- */

static void a_message_is_stored_before_it_is_answered(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);
    CLEANUP(submission_reply_free) struct submission_reply *reply = NULL;

    f->store.watched = c->fd;
    send_text(f, c, "{\"body\":\"hello\"}\n");
    wait_for_lines(f, c, 1);
    assert_int_equal(f->store.n_committed, 1);
    assert_int_equal(f->store.n_early, 0);
    assert_string_equal(f->store.last, "hello");
    assert_int_equal(submission_reply_read(c->answers.data, c->answers.size, &reply), 0);
    assert_int_equal(strlen(reply->id), 36);
    assert_int_equal(intake_counts(f->intake).connections, 1);
    assert_int_equal(intake_counts(f->intake).buffered_bytes, 0);
    shutdown(c->fd, SHUT_WR);
    wait_for_end(f, c);
    assert_int_equal(intake_counts(f->intake).connections, 0);
}

static void lines_are_answered_in_order_and_share_a_commit(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *a = new_client(f), *b = new_client(f);

    send_text(f, a, "{\"body\":\"a\"}\n{}\n\n{\"body\":\"b\"}\r\n{\"body\":\"c");
    send_text(f, b, "{\"body\":\"d\"}\n");
    wait_for_lines(f, a, 4);
    wait_for_lines(f, b, 1);
    assert_int_equal(f->store.n_commits, 1);
    assert_int_equal(f->store.n_committed, 3);
    assert_true(is_ok(answer(a, 0)));
    assert_answer(a, 1, "{\"ok\": false, \"error\": \"body: missing\"}\n");
    assert_answer(a, 2, "{\"ok\": false, \"error\": \"line: empty\"}\n");
    assert_true(is_ok(answer(a, 3)));
    assert_true(is_ok(answer(b, 0)));
    send_text(f, a, "\"}\n");
    wait_for_lines(f, a, 5);
    assert_true(is_ok(answer(a, 4)));
    assert_string_equal(f->store.last, "c");
}

static void assert_is_refused(const char *line, const struct bad_line *bad)
{
    CLEANUP(submission_reply_free) struct submission_reply *reply = NULL;

    assert_int_equal(submission_reply_read(line, strcspn(line, "\n"), &reply), 0);
    if (reply->is_ok || reply->is_temporary)
        fail_msg("%s: not refused for good", bad->line);
    if (!streq(bad->error, reply->error))
        fail_msg("%s:\n  %s, and not\n  %s", bad->line, reply->error, bad->error);
}

static void each_bad_line_is_answered_with_its_error(void **state)
{
    static const struct submission_rules *const rules[] = {&fifo, &fifo_without_group, &standard};
    size_t n_sent = 0;

    for (size_t k = 0; k < ARRAY_SIZE(rules); k++) {
        CLEANUP(fixture_free) struct fixture *f = set_up_with(*rules[k], 0, 0);
        struct client *c = new_client(f);
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(bad_lines); i++) {
            const struct bad_line *bad = &bad_lines[i];

            if (bad->rules != rules[k])
                continue;
            send_bytes(f, c, bad->line, bad_line_size(bad));
            send_text(f, c, "\n");
            wait_for_lines(f, c, ++n);
            assert_is_refused(answer(c, n - 1), bad);
        }
        n_sent += n;
        assert_int_equal(f->store.n_added, 0);
    }
    assert_int_equal(n_sent, ARRAY_SIZE(bad_lines));
}

static void a_commit_that_fails_is_an_error_for_all_of_it(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *a = new_client(f), *b = new_client(f);
    static const char expected[] =
        "{\"ok\": false, \"error\": \"cannot store now: No space left on "
        "device; try again later\", \"temporary\": true}\n";

    f->store.commit_result = -ENOSPC;
    send_text(f, a, "{\"body\":\"a\"}\n{}\n{\"body\":\"b\"}\n");
    send_text(f, b, "{\"body\":\"c\"}\n");
    wait_for_lines(f, a, 3);
    wait_for_lines(f, b, 1);
    assert_int_equal(f->store.n_committed, 0);
    assert_answer(a, 0, expected);
    assert_answer(a, 1, "{\"ok\": false, \"error\": \"body: missing\"}\n");
    assert_answer(a, 2, expected);
    assert_answer(b, 0, expected);

    f->store.commit_result = 0;
    send_text(f, a, "{\"body\":\"a\"}\n");
    wait_for_lines(f, a, 4);
    assert_true(is_ok(answer(a, 3)));
    assert_int_equal(f->store.n_committed, 1);
}

static void a_full_store_is_told_at_once(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    f->store.n_full_after = 1;
    send_text(f, c, "{\"body\":\"a\"}\n{\"body\":\"b\"}\n");
    wait_for_lines(f, c, 2);
    assert_true(is_ok(answer(c, 0)));
    assert_answer(c, 1, "{\"ok\": false, \"error\": \"the spool is full\", \"temporary\": true}\n");
    f->store.add_result = -EIO;
    send_text(f, c, "{\"body\":\"c\"}\n");
    wait_for_lines(f, c, 3);
    assert_answer(c, 2,
                  "{\"ok\": false, \"error\": \"cannot store now: Input/output error; try "
                  "again later\", \"temporary\": true}\n");
}

static void the_end_after_half_a_line_is_an_error(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    send_text(f, c, "{\"body\":\"a\"}\n{\"body\":\"b\"}");
    shutdown(c->fd, SHUT_WR);
    wait_for_end(f, c);
    assert_int_equal(count_lines(c), 2);
    assert_true(is_ok(answer(c, 0)));
    assert_answer(c, 1,
                  "{\"ok\": false, \"error\": \"line: cut off, there is no newline at its "
                  "end\"}\n");
    assert_int_equal(f->store.n_committed, 1);
}

static void lines_of_who_has_gone_are_stored(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    for (int i = 0; i < 500; i++)
        send_text(f, c, "{\"body\":\"a\"}\n");
    close(c->fd);
    c->fd = -1;
    run_until(f->event, &f->store.n_committed, 1);
    for (int i = 0; i < 100 && intake_counts(f->intake).connections > 0; i++)
        turn(f);
    assert_int_equal(intake_counts(f->intake).connections, 0);
    assert_true(f->store.n_committed >= 100);
}

static void half_a_line_has_its_time(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(USEC_PER_SEC, 0);
    struct client *slow = new_client(f), *idle = new_client(f);

    send_text(f, slow, "{\"body\":");
    wait_for_end(f, slow);
    assert_answer(slow, 0, "{\"ok\": false, \"error\": \"line: not ended within 1 seconds\"}\n");
    send_text(f, idle, "{\"body\":\"x\"}\n");
    wait_for_lines(f, idle, 1);
    assert_true(is_ok(answer(idle, 0)));
}

static void a_line_without_end_is_cut(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f), *other = new_client(f);
    CLEANUP(free) char *bytes = malloc(65536);
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    memset(bytes, 'x', 65536);
    while (count_lines(c) == 0) {
        send(c->fd, bytes, 65536, MSG_NOSIGNAL | MSG_DONTWAIT);
        turn(f);
        receive(c);
        f->store.peak_bytes = MAX(f->store.peak_bytes, intake_counts(f->intake).buffered_bytes);
        assert_true(boot_clock_usec() < end);
    }
    assert_answer(c, 0, "{\"ok\": false, \"error\": \"line: longer than 6356992 bytes\"}\n");
    assert_true(f->store.peak_bytes <= INTAKE_BUFFERED_MAX_BYTES);
    wait_for_end(f, c);
    send_text(f, other, "{\"body\":\"x\"}\n");
    wait_for_lines(f, other, 1);
    assert_int_equal(intake_counts(f->intake).buffered_bytes, 0);
}

/* A line of the largest size: a message of 1 MiB, each byte escaped. The caller frees it. */
static char *largest_line(size_t *ret_bytes)
{
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(8 * 1024 * 1024);

    buffer_append_string(&b, "{\"body\":\"");
    for (size_t i = 0; i < SQS_MESSAGE_MAX_BYTES; i++)
        buffer_append_string(&b, "\\u0041");
    buffer_append_string(&b, "\"}\n");
    *ret_bytes = b.size;
    return buffer_take(&b);
}

static void many_long_lines_get_through_in_bounded_memory(void **state)
{
    enum { N = 8 };
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *clients[N], *small;
    size_t size, sent[N] = {}, n_waited = 0;
    CLEANUP(free) char *line = largest_line(&size);
    bool is_continuing = true;

    for (size_t i = 0; i < N; i++)
        clients[i] = new_client(f);
    small = new_client(f);
    while (is_continuing) {
        is_continuing = false;
        for (size_t i = 0; i < N; i++) {
            if (sent[i] < size)
                sent[i] += send_some(clients[i], line + sent[i], MIN(size - sent[i], 100000));
            is_continuing = is_continuing || sent[i] < size;
        }
        turn(f);
        n_waited = MAX(n_waited, intake_counts(f->intake).waiting);
        f->store.peak_bytes = MAX(f->store.peak_bytes, intake_counts(f->intake).buffered_bytes);
        /* Short lines go by. */
        if (n_waited > 0 && small->answers.size == 0) {
            send_text(f, small, "{\"body\":\"x\"}\n");
            wait_for_lines(f, small, 1);
            assert_int_equal(f->store.n_committed, 1);
        }
    }
    assert_true(n_waited > 0);
    for (size_t i = 0; i < N; i++) {
        wait_for_lines(f, clients[i], 1);
        assert_true(is_ok(answer(clients[i], 0)));
    }
    assert_int_equal(f->store.n_committed, N + 1);
    assert_in_range(f->store.peak_bytes, size, INTAKE_BUFFERED_MAX_BYTES);
    assert_int_equal(intake_counts(f->intake).buffered_bytes, 0);
    assert_int_equal(intake_counts(f->intake).waiting, 0);
}

static void a_line_that_waits_for_room_has_time(void **state)
{
    enum { N = 3 };
    CLEANUP(fixture_free) struct fixture *f = set_up(USEC_PER_SEC, 0);
    struct client *clients[N];
    size_t size, sent[N] = {}, n_left = N;
    CLEANUP(free) char *line = largest_line(&size);

    /* All but the last byte of each: who is favoured holds up the others until its time is over. */
    for (size_t i = 0; i < N; i++)
        clients[i] = new_client(f);
    for (uint64_t end = boot_clock_usec() + 3 * TEST_PATIENCE_USEC; n_left > 0;) {
        n_left = N;
        for (size_t i = 0; i < N; i++) {
            if (!clients[i]->has_ended && sent[i] < size - 1)
                sent[i] += send_some(clients[i], line + sent[i], MIN(size - 1 - sent[i], 100000));
            receive(clients[i]);
            n_left -= clients[i]->has_ended;
        }
        turn(f);
        assert_true(boot_clock_usec() < end);
    }
    for (size_t i = 0; i < N; i++)
        assert_answer(clients[i], 0,
                      "{\"ok\": false, \"error\": \"line: not ended within 1 seconds\"}\n");
    assert_int_equal(intake_counts(f->intake).buffered_bytes, 0);
}

static void who_does_not_take_answers_is_not_read_from(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *deaf = new_client(f), *other = new_client(f);
    unsigned n_sent = 0, n_before;
    static const char line[] = "{\"body\":\"x\"}\n";

    /* Until nothing goes in any more, for longer than a turn. */
    for (int n_full = 0; n_full < 20;) {
        size_t n = send_some(deaf, line, strlen(line));

        assert_true(n == 0 || n == strlen(line));
        n_sent += n > 0;
        if (n == 0) {
            turn(f);
            n_full++;
        } else {
            n_full = 0;
        }
    }
    n_before = f->store.n_committed;
    assert_true(n_before < n_sent);
    for (int i = 0; i < 20; i++)
        turn(f);
    assert_int_equal(f->store.n_committed, n_before);
    send_text(f, other, line);
    wait_for_lines(f, other, 1);
    assert_int_equal(f->store.n_committed, n_before + 1);
    wait_for_lines(f, deaf, n_sent);
    assert_int_equal(f->store.n_committed, n_sent + 1);
}

static void answers_that_are_not_taken_have_their_time(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(USEC_PER_SEC, 0);
    struct client *deaf = new_client(f);
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    turn(f);
    while (intake_counts(f->intake).connections > 0 || f->store.n_added == 0) {
        send(deaf->fd, "{\"body\":\"x\"}\n", 13, MSG_NOSIGNAL | MSG_DONTWAIT);
        turn(f);
        assert_true(boot_clock_usec() < end);
    }
    assert_int_equal(intake_counts(f->intake).buffered_bytes, 0);
}

static void who_has_many_lines_leaves_room_for_others(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *many = new_client(f), *one = new_client(f);
    const char *last;
    size_t n = 0;

    while (n < 5000 && send_some(many, "{\"body\":\"m\"}\n", 13) > 0)
        n++;
    assert_true(n > 2 * INTAKE_CONNECTION_LINES_MAX);
    send_text(f, one, "{\"body\":\"1\"}\n");
    wait_for_lines(f, one, 1);
    last = strchr(f->store.order, '1');
    assert_non_null(last);
    assert_true(last - f->store.order <= INTAKE_CONNECTION_LINES_MAX);
    wait_for_lines(f, many, n);
}

/* Descriptors for 1,000 connections, both ends of which are here. */
static bool allow_files(rlim_t n)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = MAX(limit.rlim_cur, n);
    return limit.rlim_max >= n && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* Waits until it has its place, and what it has sent is read; or until it has its answer. */
static struct client *arrive(struct fixture *f, uid_t uid, const char *text)
{
    struct client *c = new_client(f);

    peer_uid = uid;
    send_text(f, c, text);
    for (int i = 0; i < 6; i++)
        assert_true(sd_event_run(f->event, 0) >= 0);
    receive(c);
    return c;
}

static void assert_turned_away(const struct client *c, const char *words)
{
    assert_true(c->has_ended);
    assert_int_equal(count_lines(c), 1);
    assert_answer(c, 0, "{\"ok\": false, \"error\": \"no place: ");
    assert_non_null(strstr(answer(c, 0), "try again later\", \"temporary\": true}"));
    if (!strstr(answer(c, 0), words))
        fail_msg("\"%s\" is not in: %s", words, answer(c, 0));
}

static void a_thousand_are_served_at_once_and_more_are_told_to_wait(void **state)
{
    enum { QUIET = 10, N = INTAKE_CONNECTIONS_MAX };
    CLEANUP(fixture_free) struct fixture *f = NULL;

    if (!allow_files(3000)) {
        print_message("the limit of open files is too low here\n");
        skip();
    }
    f = set_up(0, USEC_PER_MSEC);
    /* Of as many users; all but ten with a part of a line. */
    for (size_t i = 0; i < N; i++) {
        struct client *c = new_client(f);

        peer_uid = (uid_t)(2000 + i);
        if (i >= QUIET)
            send_text(f, c, "{\"body\":\"");
        turn(f);
    }
    for (int i = 0; i < 200; i++)
        turn(f);
    assert_int_equal(intake_counts(f->intake).connections, N);
    assert_true(intake_counts(f->intake).buffered_bytes <= N * 64);
    assert_int_equal(f->n_changed, 1);

    /* The quiet ones make place for others, and then there is none. */
    for (size_t i = 0; i < QUIET; i++)
        assert_false(arrive(f, (uid_t)(4000 + i), "{\"body\":\"")->has_ended);
    for (size_t i = 0; i < QUIET; i++)
        wait_for_end(f, &f->clients[i]);
    for (size_t i = 0; i < QUIET; i++)
        assert_turned_away(arrive(f, (uid_t)(5000 + i), "{\"body\":\"x\"}\n"),
                           "1000 of 1000 places are taken");
    for (size_t i = QUIET; i < N + QUIET; i++) {
        send_text(f, &f->clients[i], "y\"}\n");
        wait_for_lines(f, &f->clients[i], 1);
        assert_true(is_ok(answer(&f->clients[i], 0)));
    }
    assert_int_equal(f->store.n_committed, N);
}

static void a_user_has_as_many_places_as_are_free(void **state)
{
    enum { ONE = 4001, OTHER = 4002, SHARE = INTAKE_CONNECTIONS_MAX / 2 };
    CLEANUP(buffer_done) struct buffer status = BUFFER_INIT(1024);
    CLEANUP(fixture_free) struct fixture *f = NULL;

    if (!allow_files(3000))
        skip();
    f = set_up(0, 0);
    for (size_t i = 0; i < SHARE; i++)
        assert_false(arrive(f, ONE, "{")->has_ended);
    intake_describe(f->intake, &status);
    assert_int_equal(status.size, 0);
    for (size_t i = 0; i < 20; i++)
        assert_turned_away(arrive(f, ONE, "{\"body\":\"x\"}\n"),
                           "500 of 1000 places are taken, 500 of them by user 4001");
    intake_describe(f->intake, &status);
    assert_non_null(strstr(buffer_string(&status), "told to try again later: 500 of 1000"));
    assert_int_equal(f->n_changed, 1);
    for (size_t i = 0; i < SHARE / 2; i++)
        assert_false(arrive(f, OTHER, "{")->has_ended);
    assert_turned_away(arrive(f, OTHER, "{"), "by user 4001");
    assert_true(is_ok(answer(arrive(f, 4003, "{\"body\":\"x\"}\n"), 0)));
    /* Who closes some may have others. */
    for (size_t i = 0; i < SHARE; i++) {
        close(f->clients[i].fd);
        f->clients[i].fd = -1;
    }
    while (intake_counts(f->intake).connections > SHARE / 2 + 1)
        turn(f);
    assert_true(is_ok(answer(arrive(f, OTHER, "{\"body\":\"x\"}\n"), 0)));
    assert_int_equal(f->store.n_committed, 2);
}

/* For as long as its place is its own, who was served once need not connect again. */
static void a_place_is_anothers_once_it_was_idle_for_ten_seconds(void **state)
{
    enum { ONE = 4001, SHARE = INTAKE_CONNECTIONS_MAX / 2 };
    static const char line[] = "{\"body\":\"x\"}\n";
    CLEANUP(fixture_free) struct fixture *f = NULL;

    if (!allow_files(3000))
        skip();
    f = set_up(0, 0);
    for (size_t i = 0; i < SHARE; i++)
        assert_true(is_ok(answer(arrive(f, ONE, line), 0)));
    boot_clock_offset_sec += INTAKE_IDLE_USEC / USEC_PER_SEC - 5;
    assert_turned_away(arrive(f, ONE, line), "500 of 1000 places are taken");
    boot_clock_offset_sec += 5;
    assert_true(is_ok(answer(arrive(f, ONE, line), 0)));
    wait_for_end(f, &f->clients[0]);
    assert_int_equal(intake_counts(f->intake).connections, SHARE);
    assert_true(INTAKE_IDLE_USEC == 10 * USEC_PER_SEC);
}

static void who_fills_the_store_is_named(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    static const char line[] = "{\"body\":\"x\"}\n";

    fake_n_lines = 0;
    f->store.n_full_after = 4;
    arrive(f, 4001, line);
    for (int i = 0; i < 3; i++)
        arrive(f, 4002, line);
    assert_int_equal(fake_count_lines("The spool is full"), 0);
    for (int i = 0; i < 3; i++)
        arrive(f, 4001, line);
    assert_int_equal(
        fake_count_lines("of the 4 messages that have come since the start, user 4002 has "
                         "handed in 3"),
        1);
    assert_int_equal(fake_count_lines("The spool is full"), 1);
}

static void what_was_not_committed_fills_nothing(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    static const char line[] = "{\"body\":\"x\"}\n";

    fake_n_lines = 0;
    f->store.n_full_after = 2;
    f->store.commit_result = -EIO;
    for (int i = 0; i < 3; i++)
        arrive(f, 4003, line);
    f->store.commit_result = 0;
    arrive(f, 4001, line);
    arrive(f, 4001, line);
    arrive(f, 4003, line);
    assert_int_equal(
        fake_count_lines("of the 2 messages that have come since the start, user 4001 has "
                         "handed in 2"),
        1);
}

/* Neither root nor the daemon's own user. */
static void others_that_connect_may_not_command(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    static const char line[] = "{\"command\":\"drop\",\"id\":\"all\"}\n";
    struct client *c;

    f->store.n_rejected = 5;
    c = arrive(f, geteuid() + 1, line);
    wait_for_lines(f, c, 1);
    assert_answer(c, 0, "{\"ok\": false, \"error\": \"command: only root and");
    assert_int_equal(f->store.n_rejected, 5);
    c = arrive(f, 0, line); /* this process's own */
    wait_for_lines(f, c, 1);
    assert_true(is_ok(answer(c, 0)));
    assert_int_equal(f->store.n_rejected, 0);
}

static void long_parts_of_lines_keep_nobody_with_short_ones(void **state)
{
    enum { N = 300 };
    CLEANUP(fixture_free) struct fixture *f = NULL;
    CLEANUP(free) char *part = malloc(200000);
    size_t sent[N] = {};
    struct client *small;

    if (!allow_files(1500))
        skip();
    f = set_up(0, 0);
    memset(part, 'x', 200000);
    memcpy(part, "{\"body\":\"", 9);
    for (size_t i = 0; i < N; i++)
        new_client(f);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < N; i++)
            sent[i] += send_some(&f->clients[i], part + sent[i], 200000 - sent[i]);
        for (int i = 0; i < 5; i++)
            turn(f);
        assert_true(intake_counts(f->intake).buffered_bytes <= INTAKE_BUFFERED_MAX_BYTES);
    }
    assert_true(intake_counts(f->intake).waiting > 0);
    small = new_client(f);
    for (size_t i = 1; i <= 100; i++) {
        send_text(f, small, "{\"body\":\"x\"}\n");
        wait_for_lines(f, small, i);
    }
    assert_int_equal(f->store.n_committed, 100);
}

static void a_stop_answers_what_was_read_and_reads_no_more(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *many = new_client(f), *half = new_client(f), *quiet = new_client(f);
    unsigned n;

    send_text(f, half, "{\"body\":\"h");
    while (intake_counts(f->intake).connections < 3)
        turn(f);
    turn(f);
    for (int i = 0; i < 1000; i++)
        send_text(f, many, "{\"body\":\"m\"}\n");
    run_until(f->event, &f->store.n_committed, 1);
    n = f->store.n_committed;
    assert_true(n < 1000);
    send_text(f, quiet, "{\"body\":\"q\"}\n"); /* this is not read any more */

    stop(f);
    assert_int_equal(intake_counts(f->intake).connections, 0);
    wait_for_end(f, many);
    wait_for_end(f, half);
    wait_for_end(f, quiet);
    assert_true(f->store.n_committed > n);
    assert_int_equal(count_lines(many), f->store.n_committed);
    for (size_t i = 0; i < count_lines(many); i++)
        assert_true(is_ok(answer(many, i)));
    assert_int_equal(count_lines(half), 1);
    assert_answer(half, 0,
                  "{\"ok\": false, \"error\": \"line: cut off, for the daemon stops; try "
                  "again later\", \"temporary\": true}\n");
    assert_int_equal(count_lines(quiet), 0);
    intake_stop(f->intake);
    turn(f);
    assert_int_equal(f->n_stopped, 1);
}

static void a_stop_is_not_held_up_by_who_does_not_take_answers(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *deaf = new_client(f);
    unsigned n_stored;

    for (int n_full = 0; n_full < 5;)
        if (send_some(deaf, "{\"body\":\"x\"}\n", 13) == 0) {
            turn(f);
            n_full++;
        } else {
            n_full = 0;
        }
    n_stored = f->store.n_committed;
    stop(f);
    assert_int_equal(f->store.n_committed, n_stored);
    assert_int_equal(intake_counts(f->intake).connections, 1);
    /* The answers that were given are handed over still; it gets no others than of what is stored.
     */
    wait_for_end(f, deaf);
    assert_int_equal(count_lines(deaf), f->store.n_committed);
    assert_true(f->store.n_committed >= n_stored);
}

/* Counts its turns, and asks for the next one by what is in its pipe. */
static int on_other(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    unsigned *n = userdata;

    ++*n;
    return 0;
}

static void those_who_send_without_end_leave_others_of_the_loop_their_turn(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    sd_event_source *other = NULL;
    unsigned n_other = 0, n_rounds = 200;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_true(sd_event_add_io(f->event, &other, fds[0], EPOLLIN, on_other, &n_other) >= 0);
    for (size_t i = 0; i < 3; i++)
        new_client(f);
    /* Before each turn there is more than it can answer. */
    for (unsigned k = 0; k < n_rounds; k++) {
        for (size_t i = 0; i < 3; i++) {
            while (send_some(&f->clients[i], "{\"body\":\"x\"}\n", 13) == 13)
                ;
            receive(&f->clients[i]);
        }
        turn(f);
    }
    assert_true(f->store.n_committed > n_rounds);
    assert_true(n_other >= n_rounds / 4);
    sd_event_source_unref(other);
    close(fds[0]);
    close(fds[1]);
}

static void commands_are_answered(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);
    CLEANUP(submission_reply_free) struct submission_reply *page = NULL;

    f->store.n_rejected = STORE_BULK_MAX + STORE_REJECTED_PAGE;
    send_text(f, c,
              "{\"command\":\"rejected\",\"after\":1001}\n{\"command\":\"drop\",\"id\":\"x\"}\n"
              "{\"command\":\"drop\",\"id\":\"some-id\"}\n"
              "{\"command\":\"retry\",\"id\":\"all\"}\n{\"command\":\"retry\",\"id\":\"all\"}\n"
              "{\"command\":\"rejected\"}\n{\"command\":\"retry\",\"id\":\"no-group\"}\n");
    wait_for_lines(f, c, 7);
    assert_answer(c, 1,
                  "{\"ok\": false, \"error\": \"id: no message that was set aside has it; "
                  "--rejected lists them\"}\n");
    assert_answer(c, 2, "{\"ok\": true, \"count\": 1, \"more\": false}\n");
    assert_answer(c, 3, "{\"ok\": true, \"count\": 1000, \"more\": true}\n");
    assert_answer(c, 4, "{\"ok\": true, \"count\": 99, \"more\": false}\n");
    assert_answer(c, 5, "{\"ok\": true, \"messages\": [], \"more\": false}\n");
    assert_answer(c, 6, "{\"ok\": false, \"error\": \"group: a FIFO queue takes no message");
    assert_int_equal(
        submission_reply_read(answer(c, 0), (size_t)(answer(c, 1) - answer(c, 0)), &page), 0);
    assert_int_equal(page->n_messages, 99);
    assert_false(page->has_more);
    assert_int_equal(page->messages[98].number, 1100);
}

static void commands_of_others_are_refused(void **state)
{
    struct fake_store store = {.store = {&fake_ops}, .watched = -1, .n_rejected = 5};
    struct protocol protocol = {.store = &store.store, .rules = {true, 1024, "test"}};
    CLEANUP(buffer_done) struct buffer b = BUFFER_INIT(4096);

    for (int i = 0; i < 2; i++) {
        const char *line = i == 0 ? "{\"command\":\"rejected\"}"
                                  : "{\"command\":\"drop\",\"id\":"
                                    "\"all\"}";

        buffer_reset(&b);
        assert_int_equal(protocol_answer(&protocol, line, strlen(line), false, &b), 0);
        assert_string_equal(buffer_string(&b),
                            "{\"ok\": false, \"error\": \"command: only root and the daemon's own "
                            "user may give commands\"}\n");
    }
    assert_int_equal(store.n_rejected, 5);
}

static void the_size_of_messages_follows_the_queue(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    intake_set_message_max(f->intake, 3);
    send_text(f, c, "{\"body\":\"abc\"}\n{\"body\":\"abcd\"}\n");
    wait_for_lines(f, c, 2);
    assert_true(is_ok(answer(c, 0)));
    assert_answer(c, 1,
                  "{\"ok\": false, \"error\": \"message: 4 bytes with its attributes, the "
                  "queue takes at most 3\"}\n");
}

static void a_message_over_the_queues_size_waits_until_that_is_asked_again(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f), *other = new_client(f);

    intake_set_message_max(f->intake, 3);
    f->is_size_asked = true;
    send_text(f, c, "{\"body\":\"abc\"}\n{\"body\":\"abcd\"}\n{\"body\":\"x\"}\n");
    wait_for_lines(f, c, 1);
    /* It is asked once, and others are served meanwhile. */
    send_text(f, other, "{\"body\":\"y\"}\n");
    wait_for_lines(f, other, 1);
    assert_int_equal(f->n_size_asked, 1);
    f->is_size_asked = false;
    intake_set_message_max(f->intake, 4);
    wait_for_lines(f, c, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(is_ok(answer(c, i)));
    /* What no queue takes is not asked about; nor is what was asked about just now. */
    send_text(f, c, "{\"body\":\"abcde\"}\n{\"body\":\"z\"}\n");
    wait_for_lines(f, c, 5);
    assert_int_equal(f->n_size_asked, 2);
    assert_false(is_ok(answer(c, 3)));
    assert_true(is_ok(answer(c, 4)));
}

static void a_stop_answers_what_waits_for_the_queues_size(void **state)
{
    CLEANUP(fixture_free) struct fixture *f = set_up(0, 0);
    struct client *c = new_client(f);

    intake_set_message_max(f->intake, 3);
    f->is_size_asked = true;
    send_text(f, c, "{\"body\":\"abcd\"}\n");
    run_until(f->event, &f->n_size_asked, 1);
    stop(f);
    wait_for_lines(f, c, 1);
    assert_answer(c, 0, "{\"ok\": false, \"error\": \"message: 4 bytes with its attributes, the ");
    assert_non_null(strstr(answer(c, 0), "try again later\", \"temporary\": true}\n"));
}

/* In a process of its own, for the limit is not raised again. */
static void with_few_files_fewer_are_served(void **state)
{
    int status, child = fork();

    if (child == 0) {
        struct rlimit limit = {100, 100};
        struct fixture *f;
        size_t n_served;
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

        dup2(null, STDERR_FILENO); /* the warning */
        setrlimit(RLIMIT_NOFILE, &limit);
        f = set_up(0, 0);
        for (uid_t i = 0; i < 40; i++) {
            peer_uid = 4000 + i;
            new_client(f);
            turn(f);
        }
        for (int i = 0; i < 20; i++)
            turn(f);
        n_served = intake_counts(f->intake).connections;
        tear_down(f);
        _exit(n_served == 36 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_stored_before_it_is_answered),
        cmocka_unit_test(lines_are_answered_in_order_and_share_a_commit),
        cmocka_unit_test(each_bad_line_is_answered_with_its_error),
        cmocka_unit_test(a_commit_that_fails_is_an_error_for_all_of_it),
        cmocka_unit_test(a_full_store_is_told_at_once),
        cmocka_unit_test(the_end_after_half_a_line_is_an_error),
        cmocka_unit_test(lines_of_who_has_gone_are_stored),
        cmocka_unit_test(half_a_line_has_its_time),
        cmocka_unit_test(a_line_without_end_is_cut),
        cmocka_unit_test(many_long_lines_get_through_in_bounded_memory),
        cmocka_unit_test(a_line_that_waits_for_room_has_time),
        cmocka_unit_test(who_does_not_take_answers_is_not_read_from),
        cmocka_unit_test(answers_that_are_not_taken_have_their_time),
        cmocka_unit_test(who_has_many_lines_leaves_room_for_others),
        cmocka_unit_test(a_thousand_are_served_at_once_and_more_are_told_to_wait),
        cmocka_unit_test(a_user_has_as_many_places_as_are_free),
        cmocka_unit_test(a_place_is_anothers_once_it_was_idle_for_ten_seconds),
        cmocka_unit_test(who_fills_the_store_is_named),
        cmocka_unit_test(what_was_not_committed_fills_nothing),
        cmocka_unit_test(others_that_connect_may_not_command),
        cmocka_unit_test(long_parts_of_lines_keep_nobody_with_short_ones),
        cmocka_unit_test(a_stop_answers_what_was_read_and_reads_no_more),
        cmocka_unit_test(those_who_send_without_end_leave_others_of_the_loop_their_turn),
        cmocka_unit_test(a_stop_is_not_held_up_by_who_does_not_take_answers),
        cmocka_unit_test(commands_are_answered),
        cmocka_unit_test(commands_of_others_are_refused),
        cmocka_unit_test(the_size_of_messages_follows_the_queue),
        cmocka_unit_test(a_message_over_the_queues_size_waits_until_that_is_asked_again),
        cmocka_unit_test(a_stop_answers_what_waits_for_the_queues_size),
        cmocka_unit_test(with_few_files_fewer_are_served),
    };

    return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
