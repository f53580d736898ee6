/* SPDX-License-Identifier: MIT */
/* An intake on an event loop, with a store of the test's own and clients at its socket. This file
 * replaces getsockopt(2), so that a client has the uid that a test says, and clock_gettime(2), so
 * that a test moves the boot clock. One file of a test program includes it. */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "bad-lines.h"
#include "fake-log.h"
#include "producerd/intake/intake.h"
#include "producerd/intake/submission-reply.h"
#include "test-loop.h"
#include "test.h"

enum { CLIENTS_MAX = 1100, ANSWERS_MAX_BYTES = 8 * 1024 * 1024 };

/* Replaces the spool: the bodies that were added, by successful commits. */
struct fake_store {
    struct message_store store;
    unsigned n_added, n_committed, n_commits, n_full_after;
    int commit_result, add_result;
    size_t peak_bytes;
    char last[64];    /* the body of the last message */
    char order[4096]; /* the first characters of all bodies */
    size_t n_rejected;
    struct store_series *noted; /* until the next commit */
    struct store_series series; /* on disk; the only one */
    char last_id[UUID_TEXT_SIZE];
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

/* ---- The peer's uid and the clock ---- */

static uid_t peer_uid; /* of the next connections; 0: this process's */

int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    int r = (int)syscall(SYS_getsockopt, fd, level, name, value, size);

    if (level == SOL_SOCKET && name == SO_PEERCRED && peer_uid > 0)
        ((struct ucred *)value)->uid = peer_uid;
    return r;
}

/* The boot clock of this process, moved by hand. Overrides libc's, also for the event loop. */
static time_t boot_clock_offset_sec;
static struct timespec boot_clock_still; /* where it stands still, but for the offset; 0: it runs */

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret);

    if (clock != CLOCK_BOOTTIME)
        return r;
    if (boot_clock_still.tv_sec > 0)
        *ret = boot_clock_still;
    ret->tv_sec += boot_clock_offset_sec;
    return r;
}

/* A slow machine may take seconds for hundreds of connections. */
static inline void stop_boot_clock(void)
{
    (void)syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &boot_clock_still);
}

/* ---- The store ---- */

static inline int fake_add(struct message_store *store, const char *id,
                           const struct sqs_message *message, char **error)
{
    struct fake_store *f = (struct fake_store *)store;

    assert_int_equal(strlen(id), 36);
    assert_string_equal(message->group_id, "test");
    assert_string_equal(message->deduplication_id, id);
    snprintf(f->last_id, sizeof(f->last_id), "%s", id);
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

static inline int fake_commit(struct message_store *store)
{
    struct fake_store *f = (struct fake_store *)store;
    struct store_series *noted = TAKE(f->noted);
    char c;

    f->n_commits++;
    if (f->watched >= 0 && recv(f->watched, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        f->n_early++;
    if (f->commit_result < 0) {
        f->n_added = f->n_committed;
        return f->commit_result;
    }
    f->n_committed = f->n_added;
    if (noted)
        f->series = *noted;
    return 0;
}

static inline int
fake_rejected(struct message_store *store, uint64_t after,
              bool (*found)(void *userdata, const struct rejected_message *message), void *userdata)
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

static inline int fake_change(struct message_store *store, const char *id, size_t *ret_n)
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

static inline int fake_drop(struct message_store *store, const char *id, struct store_dropped *ret)
{
    return fake_change(store, id, &ret->n);
}

static inline int fake_read_series(struct message_store *store, struct store_series *series)
{
    const struct store_series *stored = &((struct fake_store *)store)->series;

    series->number = stored->number;
    memcpy(series->refused, stored->refused, sizeof(series->refused));
    return 0;
}

static inline void fake_note_series(struct message_store *store, struct store_series *series)
{
    ((struct fake_store *)store)->noted = series;
}

static const struct message_store_ops fake_ops = {fake_add,        fake_commit, fake_rejected,
                                                  fake_change,     fake_drop,   fake_read_series,
                                                  fake_note_series};

/* ---- The fixture ---- */

static inline int listen_at(struct fixture *f)
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

static inline void on_stopped(void *userdata)
{
    struct fixture *f = userdata;

    f->n_stopped++;
}

static inline void on_changed(void *userdata)
{
    struct fixture *f = userdata;

    f->n_changed++;
}

static inline bool on_refresh_size(void *userdata)
{
    struct fixture *f = userdata;

    f->n_size_asked++;
    return f->is_size_asked;
}

static inline struct fixture *set_up_with(struct submission_rules rules, uint64_t timeout_usec,
                                          uint64_t idle_usec)
{
    struct fixture *f = calloc(1, sizeof(*f));
    int fd = listen_at(f);

    peer_uid = 0;
    boot_clock_still.tv_sec = 0;
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

static inline struct fixture *set_up(uint64_t timeout_usec, uint64_t idle_usec)
{
    return set_up_with(fifo, timeout_usec, idle_usec);
}

static inline void tear_down(struct fixture *f)
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

static inline void fixture_free_cleanup(struct fixture **f)
{
    tear_down(*f);
}

static inline struct client *new_client(struct fixture *f)
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

static inline void run_once(struct fixture *f)
{
    assert_true(sd_event_run(f->event, 10 * USEC_PER_MSEC) >= 0);
}

/* Returns when all that was read is answered. */
static inline void stop(struct fixture *f)
{
    intake_stop(f->intake);
    assert_false(intake_has_stopped(f->intake));
    run_until(f->event, &f->n_stopped, 1);
    assert_true(intake_has_stopped(f->intake));
}

/* What the socket takes now. */
static inline size_t send_some(struct client *c, const char *text, size_t size)
{
    ssize_t n = send(c->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);

    assert_true(n >= 0 || errno == EAGAIN);
    return n > 0 ? (size_t)n : 0;
}

static inline void send_bytes(struct fixture *f, struct client *c, const char *text, size_t size)
{
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    while (size > 0) {
        size_t n = send_some(c, text, size);

        text += n;
        size -= n;
        if (size > 0)
            run_once(f);
        assert_true(boot_clock_usec() < end);
    }
}

static inline void send_text(struct fixture *f, struct client *c, const char *text)
{
    send_bytes(f, c, text, strlen(text));
}

static inline void receive(struct client *c)
{
    static char bytes[65536];
    ssize_t n;

    while ((n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        assert_int_equal(buffer_append(&c->answers, bytes, (size_t)n), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        c->has_ended = true;
}

static inline size_t count_lines(const struct client *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->answers.size; i++)
        n += c->answers.data[i] == '\n';
    return n;
}

static inline void wait_for_lines(struct fixture *f, struct client *c, size_t n)
{
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    receive(c);
    while (count_lines(c) < n) {
        run_once(f);
        receive(c);
        assert_true(boot_clock_usec() < end);
    }
    assert_int_equal(count_lines(c), n);
}

static inline void wait_for_end(struct fixture *f, struct client *c)
{
    uint64_t end = boot_clock_usec() + TEST_PATIENCE_USEC;

    while (!c->has_ended) {
        run_once(f);
        receive(c);
        assert_true(boot_clock_usec() < end);
    }
}

static inline bool is_ok(const char *line)
{
    return strncmp(line, "{\"ok\": true", 11) == 0;
}

/* The n-th answer, from 0. Its end is that of all. */
static inline const char *answer(const struct client *c, size_t n)
{
    const char *line = buffer_string(&c->answers);

    while (n-- > 0)
        line = strchr(line, '\n') + 1;
    return line;
}

static inline void assert_answer(const struct client *c, size_t n, const char *expected)
{
    assert_memory_equal(answer(c, n), expected, strlen(expected));
}

/* Raises the limit of open files: both ends of 1,000 connections are in this process. */
static inline bool allow_files(rlim_t n)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = MAX(limit.rlim_cur, n);
    return limit.rlim_max >= n && setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* Connects, sends, and runs the loop until the intake has read it or has refused the connection. */
static inline struct client *arrive(struct fixture *f, uid_t uid, const char *text)
{
    struct client *c = new_client(f);

    peer_uid = uid;
    send_text(f, c, text);
    for (int i = 0; i < 6; i++)
        assert_true(sd_event_run(f->event, 0) >= 0);
    receive(c);
    return c;
}
