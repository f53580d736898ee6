/* SPDX-License-Identifier: MIT */
/* Random lives of messages: whatever the handler, SQS, the clock and a stop do, in whatever order,
 * never are two of a lane handled at once, nothing is deleted that was not handled, rejected or
 * known as handled, nothing that waits is released while a stop still receives, every message ends,
 * no impossible cell of the table is met (its assertion would end the test), and the journal tells
 * each transition. Every run follows from its seed. */
#include "consumerd/inflight.h"
#include "consumerd/message-state.h"
#include "fake-consumer.h"
#include "fake-log.h"
#include "test.h"
#include "util/clock.h"

#include <stdlib.h>
#include <unistd.h>

#define SEC USEC_PER_SEC

enum {
    SEEDS = 240,
    STEPS = 500,
    CLEAN_UP_STEPS_MAX = 3000,
    ID_MAX_BYTES = 16,
    MESSAGES_MAX = 2048,
    RUNS_MAX = 64,
    IN_FLIGHT_MAX = 40,
    GROUPS_MAX = 4, /* a to d */
};

static uint64_t seed;

/* Of a life. */
static bool is_fifo, has_slow_ends;
static bool is_receiving;              /* at a stop */
static unsigned n_groups, new_replies; /* one in new_replies brings messages again */
static struct ledger *ledger;          /* NULL: none */

static unsigned chance(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((seed >> 33) % n);
}

/* --- What is true of each message, whatever the consumer thinks --- */

struct truth {
    char id[ID_MAX_BYTES];
    bool is_handled;  /* the handler was done with it or has rejected it */
    bool is_recorded; /* the first, with a ledger */
    bool is_deleted;
};

static struct truth truths[MESSAGES_MAX];
static size_t n_truths;
static char reply_groups[MESSAGES_MAX][8]; /* of a reply, by its number */
static size_t n_replies;

static struct truth *truth_of(const char *id, size_t length)
{
    for (size_t i = n_truths; i-- > 0;)
        if (strlen(truths[i].id) == length && strncmp(truths[i].id, id, length) == 0)
            return &truths[i];
    fail_msg("a message that never was");
    return NULL;
}

/* --- The handler --- */

struct handler_run {
    struct handler_run *self; /* this one while it is running */
    const struct sqs_received_message *message;
    handler_done_fn done;
    void *userdata;
};

static struct handler_run runs[RUNS_MAX];

static void finish(struct handler_run *run, enum handler_outcome outcome)
{
    static const uint64_t delays[] = {HANDLER_DELAY_DEFAULT, HANDLER_DELAY_CONSTANT, 0, 70 * SEC};
    const char *id = run->message->message_id;

    if (outcome == HANDLER_DONE || outcome == HANDLER_REJECT)
        truth_of(id, strlen(id))->is_handled = true;
    if (outcome == HANDLER_DONE && ledger)
        truth_of(id, strlen(id))->is_recorded = true;
    run->self = NULL;
    fake_holds_messages = !fake_receiver.written && chance(2);
    run->done(run->userdata, outcome, delays[chance(ARRAY_SIZE(delays))]);
    fake_holds_messages = false;
}

static enum handler_outcome some_outcome(void)
{
    return chance(3) ? HANDLER_DONE : (enum handler_outcome)chance(HANDLER_N_OUTCOMES);
}

static bool is_same_lane(const struct sqs_received_message *a, const struct sqs_received_message *b)
{
    return is_fifo ? streq(a->group_id, b->group_id) : streq(a->message_id, b->message_id);
}

static int run(struct handler *handler, const struct sqs_received_message *message,
               handler_done_fn done, void *userdata, struct handler_run **ret_run)
{
    static const int errors[] = {-ENOMEM, -EINVAL};
    struct handler_run *free_run = NULL;

    for (size_t i = 0; i < RUNS_MAX; i++) {
        if (!runs[i].self)
            free_run = &runs[i];
        else
            assert_false(is_same_lane(runs[i].message, message));
    }
    assert_non_null(free_run);
    assert_false(truth_of(message->message_id, strlen(message->message_id))->is_recorded);
    if (chance(20) == 0)
        return errors[chance(2)];
    *free_run = (struct handler_run){free_run, message, done, userdata};
    if (chance(8) == 0)
        finish(free_run, some_outcome());
    else
        *ret_run = free_run;
    return 0;
}

static void cancel(struct handler_run *r, uint64_t grace_usec)
{
    assert_ptr_equal(r->self, r);
    assert_in_range(grace_usec, 0, HANDLER_GRACE_MAX_USEC);
    if (chance(has_slow_ends ? 20 : 2) == 0)
        finish(r, chance(3) == 0 ? HANDLER_DONE : HANDLER_RETRY);
}

static void abandon(struct handler_run *r)
{
    r->self = NULL;
}

static void free_handler(struct handler *handler)
{
}

static const struct handler_ops ops = {
    .run = run, .cancel = cancel, .abandon = abandon, .free = free_handler, .waits_for_log = true};
static struct handler handler = {&ops};

/* --- The journal --- */

static bool is_told[MESSAGE_N_STATES][MESSAGE_N_STATES][MESSAGE_N_REASONS];

static enum message_state state_named(const char *text, size_t length)
{
    for (enum message_state s = 0; s < MESSAGE_N_STATES; s++)
        if (strlen(message_state_text(s)) == length &&
            strncmp(message_state_text(s), text, length) == 0)
            return s;
    fail_msg("no such state: %s", text);
    return MESSAGE_N_STATES;
}

/* "...: reason. (from -> to) [SQS_MESSAGE_ID=...". Other lines have no arrow. */
static void read_line(const char *line)
{
    const char *arrow = strstr(line, " -> "), *open, *close, *colon;
    enum message_state from, to;

    if (!arrow)
        return;
    open = strstr(line, " (");
    close = strchr(arrow, ')');
    colon = strstr(line, ": ");
    assert_true(open && close && colon && colon < open);
    assert_non_null(strstr(line, "[SQS_MESSAGE_ID="));
    assert_int_equal(strstr(line, "[SQS_MESSAGE_GROUP_ID=") != NULL, is_fifo);
    from = state_named(open + 2, (size_t)(arrow - open - 2));
    to = state_named(arrow + 4, (size_t)(close - arrow - 4));
    for (enum message_reason reason = 0; reason < MESSAGE_N_REASONS; reason++) {
        size_t length = strlen(message_reason_text(reason));

        if (strncmp(colon + 2, message_reason_text(reason), length) == 0 &&
            colon + 2 + length + 1 == open) {
            assert_false(is_receiving && reason == RELEASE_NOT_BEGUN);
            is_told[from][to][reason] = true;
        }
    }
}

static void read_journal(void)
{
    assert_in_range(fake_n_lines, 0, FAKE_LINES_MAX);
    for (size_t i = 0; i < fake_n_lines; i++)
        read_line(fake_lines[i]);
    fake_n_lines = 0;
}

/* --- SQS --- */

static struct inflight *inflight;

static void take(void)
{
    char prefix[8];
    size_t number = n_replies, n = 1 + chance(5);
    CLEANUP(sqs_reply_unref) struct sqs_reply *reply = NULL;

    if (inflight_status(inflight).messages + 5 > IN_FLIGHT_MAX || n_truths + 5 > MESSAGES_MAX)
        return;
    if (n_replies > 0 &&
        chance(new_replies) == 0) { /* some again: they have come back, or are copies */
        number = n_replies - 1 - chance((unsigned)MIN(n_replies, (size_t)6));
        snprintf(prefix, sizeof(prefix), "m%zu.", number);
    } else {
        snprintf(prefix, sizeof(prefix), "m%zu.", number);
        for (size_t i = 0; i < n; i++) {
            reply_groups[number][i] = '-';
            if (is_fifo)
                reply_groups[number][i] = "abcd"[chance(n_groups)];
            snprintf(truths[n_truths].id, ID_MAX_BYTES, "%s%zu", prefix, i);
            truths[n_truths++].is_handled = false;
        }
        n_replies++;
    }
    reply = fake_received(reply_groups[number], prefix);
    inflight_add(inflight, reply, fake_now_usec - chance(2) * SEC);
}

/* The messages of a request, in the order of its entries. */
static size_t messages_of(const struct fake_call *call, struct truth *ret[SQS_BATCH_MAX])
{
    static const char key[] = "\"ReceiptHandle\":\"";
    const char *at = buffer_string(&call->request->json);
    size_t n = 0;

    while ((at = strstr(at, key))) {
        at += strlen(key);
        ret[n++] = truth_of(at, strcspn(at, "\""));
    }
    return n;
}

static bool is_delete(const struct fake_call *call)
{
    return call->request->operation != SQS_CHANGE_MESSAGE_VISIBILITY_BATCH;
}

static void check_deletes(void)
{
    struct truth *messages[SQS_BATCH_MAX];

    for (size_t i = 0; i < fake_n_calls; i++) {
        if (!fake_calls[i].is_open || !is_delete(&fake_calls[i]))
            continue;
        for (size_t k = messages_of(&fake_calls[i], messages); k-- > 0;)
            assert_true(messages[k]->is_handled);
    }
}

/* Each entry by itself; `is_kind`: all with yes. */
static void answer_batch(size_t call, bool is_kind)
{
    static const char *const codes[] = {"ReceiptHandleIsInvalid", "InternalError",
                                        "InvalidAddress"};
    CLEANUP(buffer_done) struct buffer json = BUFFER_INIT(4096), failed = BUFFER_INIT(4096);
    struct truth *messages[SQS_BATCH_MAX];
    size_t n = messages_of(&fake_calls[call], messages);

    buffer_append_string(&json, "{\"Successful\":[");
    for (size_t i = 0; i < n; i++) {
        if (is_kind || chance(4)) {
            buffer_printf(&json, "%s{\"Id\":\"%zu\"}", json.data[json.size - 1] == '[' ? "" : ",",
                          i);
            if (is_delete(&fake_calls[call]))
                messages[i]->is_deleted = true;
        } else {
            buffer_printf(&failed, "%s{\"Id\":\"%zu\",\"Code\":\"%s\",\"SenderFault\":true}",
                          failed.size > 0 ? "," : "", i, codes[chance(ARRAY_SIZE(codes))]);
        }
    }
    buffer_printf(&json, "],\"Failed\":[%s]}", buffer_string(&failed));
    fake_answer(call, buffer_string(&json));
}

static void fail_call(size_t call)
{
    switch (chance(4)) {
    case 0:
        fake_fail(call, AWS_ERROR_PERMANENT, "ReceiptHandleIsInvalid", "no");
        break;
    case 1:
        fake_fail(call, AWS_ERROR_PERMANENT, "InvalidAddress", "no");
        break;
    case 2:
        fake_fail(call, AWS_ERROR_TRANSIENT, "InternalError", "perhaps");
        break;
    default:
        if (fake_retry(call, AWS_ERROR_TRANSIENT, "Timeout"))
            return;
    }
}

static void answer(size_t call, bool is_kind)
{
    struct truth *messages[SQS_BATCH_MAX];

    if (!is_kind && chance(4) == 0) {
        fail_call(call);
    } else if (fake_calls[call].request->operation == SQS_DELETE_MESSAGE) {
        messages_of(&fake_calls[call], messages);
        messages[0]->is_deleted = true;
        fake_answer(call, "{}");
    } else {
        answer_batch(call, is_kind);
    }
}

static void answer_some(unsigned one_in, bool is_kind)
{
    for (size_t i = 0; i < fake_n_calls; i++)
        if (fake_calls[i].is_open && chance(one_in) == 0)
            answer(i, is_kind);
    if (fake_n_open() == 0)
        fake_forget_calls();
}

/* --- Lives --- */

static void on_changed(void *userdata)
{
}

static void dispatch(void)
{
    uint64_t next_usec = 0;

    fake_call_error = chance(30) == 0 ? -ENOMEM : 0;
    (void)inflight_dispatch(inflight, &next_usec); /* what could not be sent is sent later */
    fake_call_error = 0;
}

static void finish_some(unsigned one_in)
{
    for (size_t i = 0; i < RUNS_MAX; i++)
        if (runs[i].self && chance(one_in) == 0)
            finish(&runs[i], some_outcome());
}

/* As if it had been handled before, and the ledger could not be read since. */
static void record_one(void)
{
    struct truth *truth = n_truths > 0 ? &truths[n_truths - 1 - chance(8) % n_truths] : NULL;

    if (!ledger || !truth || chance(4))
        return;
    truth->is_handled = truth->is_recorded = true;
    ledger_add(ledger, truth->id, clock_wall_usec());
}

static void set_receiving(bool receiving)
{
    read_journal();
    is_receiving = receiving;
    inflight_set_receiving(inflight, receiving);
}

/* What the consumer does under way to the stop's end. */
static void stop_further(void)
{
    switch (chance(8)) {
    case 0:
        set_receiving(chance(2));
        break;
    case 1:
        (void)inflight_cancel_log_waits(inflight);
        break;
    default:
        (void)inflight_cancel(inflight, 1 + chance(5 * SEC));
        break;
    }
}

static void step(bool is_stopping)
{
    switch (chance(8)) {
    case 0:
    case 1:
        if (!is_stopping || chance(8) == 0) /* what a poll under way brings */
            take();
        break;
    case 2:
    case 3:
        finish_some(3);
        break;
    case 4:
        answer_some(3, false);
        break;
    case 5:
        fake_now_usec += chance(3 * SEC);
        break;
    case 6:
        if (chance(6) == 0)
            fake_now_usec += chance(40) * SEC;
        (void)fake_take_message(chance(4) ? 0 : -EIO);
        break;
    default:
        if (is_stopping)
            stop_further();
        else if (chance(8) == 0)
            record_one();
        break;
    }
    if (chance(4))
        dispatch();
    check_deletes();
    read_journal();
}

static void check_sum(void)
{
    const struct consumer_counts *c = inflight_counts(inflight);
    uint64_t sum = inflight_status(inflight).messages + c->deleted + c->lost;

    for (size_t i = 0; i < RELEASE_N_REASONS; i++)
        sum += c->released[i];
    assert_int_equal(sum, c->received);
}

/* Everybody does what is asked of him from now on, so that all comes to an end. */
static void come_to_an_end(void)
{
    set_receiving(false);
    for (size_t i = 0; inflight_status(inflight).messages > 0; i++) {
        assert_in_range(i, 0, CLEAN_UP_STEPS_MAX);
        finish_some(1);
        answer_some(1, true);
        (void)fake_take_message(0);
        fake_now_usec += SEC;
        dispatch();
        read_journal();
    }
    assert_int_equal(inflight_status(inflight).bytes, 0);
    assert_int_equal(inflight_status(inflight).wanted, 0);
    assert_int_equal(inflight_status(inflight).handling, 0);
}

static void live(void)
{
    size_t stop_at = STEPS / 2 + chance(STEPS / 2);

    assert_int_equal(inflight_new(NULL, &handler, ledger,
                                  &(struct inflight_options){
                                      .is_fifo = is_fifo,
                                      .visibility_sec = 10 + chance(20),
                                      .concurrency = 1 + chance(12),
                                      .delete_linger_usec = chance(2) * SEC / 5,
                                      .retry_delay_usec = chance(6) * SEC,
                                      .retry_delay_max_usec = 60 * SEC,
                                  },
                                  on_changed, NULL, &inflight),
                     0);
    for (size_t i = 0; i < STEPS; i++) {
        if (i == stop_at) {
            set_receiving(chance(2));
            inflight_stop(inflight, fake_now_usec + 60 * SEC);
        }
        step(i >= stop_at);
        check_sum();
    }
    come_to_an_end();
    check_sum();
    answer_some(1, true); /* extensions, of messages that are gone */
    inflight = inflight_free(inflight);
}

static char ledger_path[64];

/* Its file ends with the test: it need not reach the disk, which takes long. */
int fsync(int fd)
{
    return 0;
}

int fdatasync(int fd)
{
    return 0;
}

static void open_ledger(void)
{
    int fd;

    strcpy(ledger_path, "/tmp/test-consumer-life.XXXXXX");
    fd = mkstemp(ledger_path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(
        ledger_open(ledger_path, &(struct ledger_limits){10000, 86400 * SEC}, &ledger, NULL), 0);
}

static void close_ledger(void)
{
    bool is_open = ledger != NULL;

    ledger = ledger_free(ledger);
    if (is_open)
        assert_int_equal(unlink(ledger_path), 0);
}

static void each_seed_keeps_the_promises_of_order_and_loss(void **state)
{
    fake_level = LOG_DEBUG;
    for (uint64_t i = 0; i < SEEDS; i++) {
        seed = i;
        is_fifo = i % 2 == 0;
        has_slow_ends = chance(2);
        n_groups = 1 + chance(GROUPS_MAX);
        new_replies = 2 + chance(6);
        fake_reset();
        memset(truths, 0, sizeof(truths));
        memset(reply_groups, 0, sizeof(reply_groups));
        n_truths = n_replies = 0;
        if (i % 4 >= 2)
            open_ledger();
        live();
        close_ledger();
    }
}

/* A deferred message has become a copy: test-inflight-outage.c has the one way to this, which needs
 * too much to happen in turn. */
static bool is_too_rare(enum message_state from, enum message_event event)
{
    return from == MESSAGE_DEFERRED && event == MESSAGE_ON_COPY;
}

/* So the promises were kept by all of the table, and the journal has told all of it. */
static void each_possible_cell_was_met_and_told(void **state)
{
    size_t n_missing = 0;

    for (enum message_state from = 0; from < MESSAGE_N_STATES; from++)
        for (enum message_event event = 0; event < MESSAGE_N_EVENTS; event++) {
            struct message_step s = message_step(from, event);

            if (s.action == MESSAGE_IMPOSSIBLE || is_told[from][s.to][s.reason] ||
                is_too_rare(from, event))
                continue;
            print_error("never met: %s -> %s: %s (event %d)\n", message_state_text(from),
                        message_state_text(s.to), message_reason_text(s.reason), (int)event);
            n_missing++;
        }
    assert_int_equal(n_missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_seed_keeps_the_promises_of_order_and_loss),
        cmocka_unit_test(each_possible_cell_was_met_and_told),
    };

    return cmocka_run_group_tests_name("consumerd-life", tests, NULL, NULL);
}
