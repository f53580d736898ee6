/* SPDX-License-Identifier: MIT */
#include "spool-fixture.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void message_is_read_back_as_it_was_added(void **state)
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

static void added_message_waits_for_commit_while_others_are_written(void **state)
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

static void uncommitted_message_is_not_returned(void **state)
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

static void messages_added_together_share_one_sync(void **state)
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

static void settled_messages_are_synced_only_on_request(void **state)
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
    assert_int_equal(spool_test_write(s), 0); /* nor here, but it must see */
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

static void restart_keeps_order_and_drops_sent_messages(void **state)
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

static void flushed_messages_survive_sigkill(void **state)
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

static void message_marked_twice_keeps_first_time(void **state)
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

static void stuck_group_is_skipped_and_others_go_out(void **state)
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

static void stuck_group_of_many_rows_is_skipped_in_steps(void **state)
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

static void in_flight_bytes_at_maximum_stop_next(void **state)
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

static void full_spool_refuses_and_names_the_setting(void **state)
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
    assert_int_equal(spool_add(s, "y", &message, &error), STORE_E_FULL);
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
    spool_set_limits(s, 3, 100);
    assert_int_equal(spool_add(s, "z", &message, &error), STORE_E_FULL);
    assert_string_equal(error, "the spool is full: it holds 3 messages, and "
                               "producer.spool_max_messages is 3");
    free(TAKE(error));
    spool_set_limits(s, 100, 12);
    assert_int_equal(spool_add(s, "z", &message, &error), STORE_E_FULL);
    assert_non_null(strstr(error, "12 bytes, and with this message's 5"));
    assert_non_null(strstr(error, "producer.spool_max_bytes, which is 12"));
    free(error);
}

static void write_error_loses_no_message(void **state)
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

static void full_disk_reserve_serves_settled_messages_only(void **state)
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
    assert_string_equal(spool_error(s), "the disk has too little free space");
    assert_int_equal(spool_test_write(s), -ENOSPC);
    sent(s, a2);
    assert_int_equal(spool_sync(s), 0);

    no_room_but_reserve = false;
    assert_int_equal(spool_test_write(s), 0);
    add(s, "b3");
    assert_int_equal(spool_commit(s), 0);
    assert_int_equal(access(reserve_path, F_OK), 0);
    next(s, "b3");
    next_none(s);
}

static void full_disk_free_pages_take_new_messages(void **state)
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

static void random_events_keep_the_order_of_each_group(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(message_is_read_back_as_it_was_added),
        TEST(uncommitted_message_is_not_returned),
        TEST(added_message_waits_for_commit_while_others_are_written),
        TEST(messages_added_together_share_one_sync),
        TEST(settled_messages_are_synced_only_on_request),
        TEST(restart_keeps_order_and_drops_sent_messages),
        TEST(flushed_messages_survive_sigkill),
        TEST(message_marked_twice_keeps_first_time),
        TEST(stuck_group_is_skipped_and_others_go_out),
        TEST(stuck_group_of_many_rows_is_skipped_in_steps),
        TEST(in_flight_bytes_at_maximum_stop_next),
        TEST(full_spool_refuses_and_names_the_setting),
        TEST(write_error_loses_no_message),
        TEST(full_disk_reserve_serves_settled_messages_only),
        TEST(full_disk_free_pages_take_new_messages),
        TEST(random_events_keep_the_order_of_each_group),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
