/* SPDX-License-Identifier: MIT */
/* Random lives of messages on their way to SQS: whatever SQS, the network and the clock do, never
 * is a later message of a group sent while the outcome of an earlier one is unknown, each message
 * goes out unchanged, with the same deduplication id, until SQS has said yes or no, each ends once,
 * no impossible cell of the table is met (its assertion would end the test), and the journal tells
 * each transition. Every run follows from its seed. */
#include "fake-log.h"
#include "fake-queue.h"
#include "producerd/message-state.h"
#include "producerd/producer.h"
#include "producerd/source-demo.h"
#include "test.h"

#include <stdlib.h>
#include <time.h>

#include <systemd/sd-id128.h>

#define SEC USEC_PER_SEC
#define START_USEC (1000 * SEC)

enum {
    SEEDS = 150,
    MESSAGES = 60,
    STEPS_MAX = 5000,
    SOBER_AFTER = 150, /* steps: then SQS and the network do as they should */
    GROUPS_MAX = 4,    /* a to d */
    TEXT_MAX_BYTES = 8,
};

static uint64_t seed;

static unsigned chance(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((seed >> 33) % n);
}

/* Overrides libc's: time passes by fake_now_usec alone. */
int clock_gettime(clockid_t clock, struct timespec *ret)
{
    uint64_t usec =
        clock == CLOCK_REALTIME ? UINT64_C(1700000000) * SEC + fake_now_usec : fake_now_usec;

    *ret = (struct timespec){(time_t)(usec / SEC), (long)(usec % SEC * 1000)};
    return 0;
}

/* Overrides libsystemd's. */
int sd_id128_randomize(sd_id128_t *ret)
{
    *ret = (sd_id128_t){.qwords = {chance(UINT32_MAX), chance(UINT32_MAX)}};
    return 0;
}

/* --- The source, and the truth about each message, whatever the producer knows --- */

struct truth {
    struct source_message source;
    char id[TEXT_MAX_BYTES], body[TEXT_MAX_BYTES], group[2];
    bool is_invalid;
    bool is_stored; /* at SQS, which has a message once however often it is sent */
    bool is_acknowledged, is_refused; /* by SQS */
    bool has_ended;
};

static struct truth truths[MESSAGES];
static size_t n_given;
static bool is_strict;

static int next(struct source *source, const struct source_message **ret)
{
    if (n_given == MESSAGES)
        return SOURCE_E_END;
    *ret = &truths[n_given++].source;
    return 0;
}

static void settle(struct source *source, const struct source_message *message,
                   enum source_settlement settlement, const char *reason)
{
    struct truth *t = &truths[strtoul(message->id, NULL, 10)];

    assert_false(t->has_ended);
    t->has_ended = true;
    if (settlement == SOURCE_SENT)
        assert_true(t->is_acknowledged && t->is_stored);
    else
        assert_true(t->is_refused || t->is_invalid);
}

static void free_source(struct source *source)
{
}

int source_demo_new(sd_event *event, const struct config *config, bool is_fifo,
                    source_ready_fn ready, void *userdata, struct source **ret)
{
    static const struct source_ops ops = {next, settle, free_source};
    static struct source source = {&ops};

    *ret = &source;
    return 0;
}

int source_demo_check(const struct config *config, char **error)
{
    return 0;
}

static void make_messages(void)
{
    unsigned n_groups = 1 + chance(GROUPS_MAX);

    memset(truths, 0, sizeof(truths));
    n_given = 0;
    for (size_t i = 0; i < MESSAGES; i++) {
        struct truth *t = &truths[i];

        snprintf(t->id, sizeof(t->id), "%zu", i);
        snprintf(t->body, sizeof(t->body), "b%zu", i);
        t->group[0] = "abcd"[chance(n_groups)];
        t->is_invalid = chance(15) == 0;
        t->source = (struct source_message){
            .message = {.body = t->is_invalid ? "" : t->body,
                        .body_bytes = t->is_invalid ? 0 : strlen(t->body),
                        .group_id = fake_is_fifo ? t->group : NULL,
                        .deduplication_id = fake_is_fifo ? t->id : NULL,
                        .delay_sec = -1},
            .id = t->id,
            /* Some messages are in doubt since an earlier process, some of them for long. */
            .in_doubt_since_usec =
                chance(10) == 0 ? (uint64_t)time(NULL) * SEC - chance(2) * 400 * SEC : 0,
        };
    }
}

/* --- SQS --- */

/* Reads the number behind the next `key` in the JSON. Returns what follows the number. */
static const char *read_number(const char *at, const char *key, size_t *ret)
{
    at = strstr(at, key);
    assert_non_null(at);
    at += strlen(key);
    *ret = strtoul(at, NULL, 10);
    at += strspn(at, "0123456789");
    assert_int_equal(*at, '"');
    return at;
}

/* The messages of a request, in the order of its entries. Each is what it was. */
static size_t messages_of(const struct fake_call *call, struct truth *ret[SQS_BATCH_MAX])
{
    const char *at = buffer_string(&call->request->json);
    size_t n = 0;

    while (strstr(at, "\"MessageBody\":\"b")) {
        size_t number, id;

        at = read_number(at, "\"MessageBody\":\"b", &number);
        assert_in_range(number, 0, MESSAGES - 1);
        if (fake_is_fifo) {
            at = read_number(at, "\"MessageDeduplicationId\":\"", &id);
            assert_int_equal(id, number);
        }
        ret[n++] = &truths[number];
    }
    assert_in_range(n, 1, SQS_BATCH_MAX);
    return n;
}

/* The request has reached SQS, which takes the message. */
static void store(struct truth *t)
{
    /* What was stored before it, of its group, comes before it. */
    for (struct truth *later = t + 1; is_strict && !t->is_stored && later < truths + MESSAGES;
         later++)
        assert_false(streq(later->group, t->group) && later->is_stored);
    t->is_stored = true;
}

static void store_some(const struct fake_call *call)
{
    struct truth *messages[SQS_BATCH_MAX];
    size_t n = messages_of(call, messages);

    for (size_t i = 0; i < n; i++)
        if (chance(2))
            store(messages[i]);
}

/* Of a group nothing is on its way beside another, or before all earlier ones have ended; with
 * batches in order, but for those of the same request. */
static void check_order(void)
{
    bool is_open[MESSAGES] = {};

    for (size_t i = 0; i < fake_n_calls; i++) {
        struct truth *messages[SQS_BATCH_MAX];
        size_t n = fake_calls[i].is_open ? messages_of(&fake_calls[i], messages) : 0;

        for (size_t k = 0; k < n; k++) {
            assert_false(messages[k]->has_ended || is_open[messages[k] - truths]);
            for (struct truth *t = truths; fake_is_fifo && t < messages[k]; t++) {
                bool is_beside = false;

                for (size_t j = 0; j < k && !is_strict; j++)
                    is_beside = is_beside || messages[j] == t;
                assert_true(is_beside || !streq(t->group, messages[k]->group) || t->has_ended);
            }
        }
        for (size_t k = 0; k < n; k++)
            is_open[messages[k] - truths] = true;
    }
}

static void append_sent(struct buffer *json, const struct sqs_request *request, size_t i)
{
    buffer_printf(json, "\"MessageId\":\"m\",\"MD5OfMessageBody\":\"%s\"}",
                  request->md5_of_body[i]);
}

static void answer_batch(size_t call, bool is_kind)
{
    static const struct {
        const char *code;
        bool is_sender_fault, is_no, may_be_stored;
    } errors[] = {
        {"InternalError", false, false, true},
        {"RequestThrottled", true, false, false},
        {"InvalidMessageContents", true, true, false},
    };
    CLEANUP(buffer_done) struct buffer json = BUFFER_INIT(8192), failed = BUFFER_INIT(4096);
    struct truth *messages[SQS_BATCH_MAX];
    size_t n = messages_of(&fake_calls[call], messages), n_sent = 0;

    buffer_append_string(&json, "{\"Successful\":[");
    for (size_t i = 0; i < n; i++) {
        size_t e = chance(ARRAY_SIZE(errors));

        if (is_kind || chance(3)) {
            store(messages[i]);
            messages[i]->is_acknowledged = true;
            buffer_printf(&json, "%s{\"Id\":\"%zu\",", n_sent++ > 0 ? "," : "", i);
            append_sent(&json, fake_calls[call].request, i);
            continue;
        }
        messages[i]->is_refused = messages[i]->is_refused || errors[e].is_no;
        if (errors[e].may_be_stored && chance(2))
            store(messages[i]);
        buffer_printf(&failed, "%s{\"Id\":\"%zu\",\"Code\":\"%s\",\"SenderFault\":%s}",
                      failed.size > 0 ? "," : "", i, errors[e].code,
                      errors[e].is_sender_fault ? "true" : "false");
    }
    buffer_printf(&json, "],\"Failed\":[%s]}", buffer_string(&failed));
    fake_answer(call, buffer_string(&json));
}

static void answer_one(size_t call)
{
    CLEANUP(buffer_done) struct buffer json = BUFFER_INIT(1024);
    struct truth *messages[SQS_BATCH_MAX];

    assert_int_equal(messages_of(&fake_calls[call], messages), 1);
    store(messages[0]);
    messages[0]->is_acknowledged = true;
    buffer_append_char(&json, '{');
    append_sent(&json, fake_calls[call].request, 0);
    fake_answer(call, buffer_string(&json));
}

static void refuse(size_t call)
{
    struct truth *messages[SQS_BATCH_MAX];
    size_t n = messages_of(&fake_calls[call], messages);

    if (n == 1)
        messages[0]->is_refused = true;
    fake_error_status = 400;
    fake_was_repeated = chance(4) == 0;
    if (fake_was_repeated)
        store_some(&fake_calls[call]);
    fake_fail(call, AWS_ERROR_PERMANENT, "BatchRequestTooLong", "no");
}

static void fail_call(size_t call)
{
    switch (chance(7)) {
    case 0:
        refuse(call);
        break;
    case 1:
        fake_fail(call, AWS_ERROR_THROTTLED, "RequestThrottled", "no");
        break;
    case 2:
        store_some(&fake_calls[call]);
        fake_fail(call, AWS_ERROR_TRANSIENT, "NetworkFailure", "perhaps");
        break;
    case 3:
        (void)fake_first_attempt(call);
        break;
    case 4:
        (void)fake_retry(call, AWS_ERROR_THROTTLED, "RequestThrottled");
        break;
    case 5:
        fake_stall = SQS_STALL_RECEIVE;
        store_some(&fake_calls[call]);
        (void)fake_retry(call, AWS_ERROR_TRANSIENT, "NetworkFailure");
        break;
    default:
        store_some(&fake_calls[call]);
        (void)fake_retry(call, AWS_ERROR_TRANSIENT, "NetworkFailure");
    }
    fake_error_status = 0;
    fake_was_repeated = false;
    fake_stall = SQS_STALL_NONE;
}

static void answer_some(bool is_kind)
{
    for (size_t i = 0; i < fake_n_calls; i++) {
        if (!fake_calls[i].is_open || (!is_kind && chance(3)))
            continue;
        if (!is_kind && chance(2))
            fail_call(i);
        else if (fake_calls[i].request->operation == SQS_SEND_MESSAGE)
            answer_one(i);
        else
            answer_batch(i, is_kind);
        check_order();
    }
    if (fake_n_open() == 0)
        fake_forget_calls();
}

/* --- The journal --- */

static bool is_told[OUTGOING_N_STATES][OUTGOING_N_STATES][OUTGOING_N_REASONS];

static enum outgoing_state state_named(const char *text, size_t length)
{
    for (enum outgoing_state s = 0; s < OUTGOING_N_STATES; s++)
        if (strlen(outgoing_state_text(s)) == length &&
            strncmp(outgoing_state_text(s), text, length) == 0)
            return s;
    fail_msg("no such state: %s", text);
    return OUTGOING_N_STATES;
}

/* "State of the message with id 1 of group a: reason. (from -> to) [...". */
static void read_line(const char *line)
{
    const char *arrow = strstr(line, " -> "), *open, *close, *colon;
    enum outgoing_state from, to;

    if (!arrow)
        return;
    open = strstr(line, " (");
    close = strchr(arrow, ')');
    colon = strstr(line, ": ");
    assert_true(open && close && colon && colon < open);
    assert_int_equal(strstr(line, "[SQS_MESSAGE_GROUP_ID=") != NULL, fake_is_fifo);
    assert_int_equal(strstr(line, "[SQS_MESSAGE_DEDUPLICATION_ID=") != NULL, fake_is_fifo);
    from = state_named(open + 2, (size_t)(arrow - open - 2));
    to = state_named(arrow + 4, (size_t)(close - arrow - 4));
    for (enum outgoing_reason reason = 0; reason < OUTGOING_N_REASONS; reason++) {
        size_t length = strlen(outgoing_reason_text(reason));

        if (strncmp(colon + 2, outgoing_reason_text(reason), length) == 0 &&
            colon + 2 + length + 1 == open)
            is_told[from][to][reason] = true;
    }
}

static void read_journal(void)
{
    assert_in_range(fake_n_lines, 0, FAKE_LINES_MAX);
    for (size_t i = 0; i < fake_n_lines; i++)
        read_line(fake_lines[i]);
    fake_n_lines = 0;
}

/* --- Lives --- */

static bool have_all_ended(void)
{
    for (size_t i = 0; i < MESSAGES; i++)
        if (!truths[i].has_ended)
            return false;
    return true;
}

static void configure(struct config *config)
{
    *config = (struct config){};
    config->producer.max_connections = 1 + chance(6);
    config->producer.batch_size = 1 + chance(10);
    config->producer.batch_linger_usec = chance(2) * SEC / 10;
    config->producer.rate_limit = chance(3) == 0 ? 20 : 0;
    config->producer.order = chance(3) == 0 ? CONFIG_ORDER_BATCH : CONFIG_ORDER_STRICT;
    config->producer.stop_timeout_usec = 60 * SEC;
    is_strict = fake_is_fifo && config->producer.order == CONFIG_ORDER_STRICT;
}

static void live(void)
{
    CLEANUP(service_free) struct service *service = NULL;
    CLEANUP(producer_free) struct producer *producer = NULL;
    struct config config;
    size_t step = 0;

    configure(&config);
    make_messages();
    assert_int_equal(service_new(&service), 0);
    assert_int_equal(producer_new(service, &config, &producer, NULL), 0);
    fake_open();
    while (!have_all_ended()) {
        bool is_kind = step > SOBER_AFTER;

        assert_in_range(step++, 0, STEPS_MAX);
        fake_call_error = !is_kind && chance(5) == 0 ? -ENOMEM : 0;
        for (int i = 0; i < 3 && !have_all_ended(); i++)
            assert_true(sd_event_run(service_event(service), 0) >= 0);
        check_order();
        answer_some(is_kind);
        fake_call_error = 0;
        fake_now_usec += chance(20) == 0 && !is_kind ? 301 * SEC : chance(2 * SEC);
        read_journal();
    }
    assert_int_equal(fake_n_open(), 0);
}

static void random_events_keep_order_and_lose_nothing(void **state)
{
    fake_level = LOG_DEBUG;
    for (uint64_t i = 0; i < SEEDS; i++) {
        seed = i;
        fake_reset();
        fake_now_usec = START_USEC;
        fake_is_fifo = i % 3 != 0;
        live();
        read_journal();
    }
}

/* The run has reached every cell of the table, and the journal has a line of each. */
static void random_events_reach_and_log_each_cell(void **state)
{
    size_t n_missing = 0;

    for (enum outgoing_state from = 0; from < OUTGOING_N_STATES; from++)
        for (enum outgoing_event event = 0; event < OUTGOING_N_EVENTS; event++) {
            struct outgoing_step s = outgoing_step(from, event);

            if (s.action == OUTGOING_IMPOSSIBLE || is_told[from][s.to][s.reason])
                continue;
            print_error("never met: %s -> %s: %s (event %d)\n", outgoing_state_text(from),
                        outgoing_state_text(s.to), outgoing_reason_text(s.reason), (int)event);
            n_missing++;
        }
    assert_int_equal(n_missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_events_keep_order_and_lose_nothing),
        cmocka_unit_test(random_events_reach_and_log_each_cell),
    };

    return cmocka_run_group_tests_name("producerd-life", tests, NULL, NULL);
}
