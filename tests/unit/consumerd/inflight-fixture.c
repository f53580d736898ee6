/* SPDX-License-Identifier: MIT */
#include "inflight-fixture.h"

#include <stdio.h>

struct handler_run runs[64];
size_t n_runs;
int run_error;
bool is_quick;
bool ends_late;
bool is_unreached;

static int fake_run(struct handler *handler, const struct sqs_received_message *message,
                    handler_done_fn done, void *userdata, struct handler_run **ret_run)
{
    struct handler_run *run = &runs[n_runs];

    if (run_error < 0)
        return run_error;
    assert_in_range(n_runs, 0, ARRAY_SIZE(runs) - 1);
    n_runs++;
    *run = (struct handler_run){.done = done, .userdata = userdata, .is_running = true};
    snprintf(run->handle, sizeof(run->handle), "%s", message->receipt_handle);
    if (is_quick) {
        run->is_running = false;
        done(userdata, HANDLER_DONE, 0);
        return 0;
    }
    *ret_run = run;
    return 0;
}

static void fake_cancel(struct handler_run *run, uint64_t grace_usec)
{
    assert_true(run->is_running);
    assert_in_range(grace_usec, 1, 5 * SEC);
    run->is_cancelled = true;
    if (ends_late)
        return;
    run->is_running = false;
    run->done(run->userdata, HANDLER_RETRY, HANDLER_DELAY_DEFAULT);
}

static void fake_abandon(struct handler_run *run)
{
    assert_true(run->is_running);
    run->is_running = false;
    run->is_cancelled = true;
}

static bool fake_cancel_unreached(struct handler_run *run)
{
    assert_true(run->is_running);
    if (is_unreached)
        run->is_running = false;
    return is_unreached;
}

static void fake_free(struct handler *handler)
{
}

static const struct handler_ops ops = {fake_run, fake_cancel, fake_abandon, fake_free,
                                       .cancel_unreached = fake_cancel_unreached};
static struct handler handler = {&ops};

void finish(size_t i, enum handler_outcome outcome, uint64_t delay_usec)
{
    assert_true(runs[i].is_running);
    runs[i].is_running = false;
    runs[i].done(runs[i].userdata, outcome, delay_usec);
}

const char *begun(void)
{
    static char text[ARRAY_SIZE(runs) + 1];

    for (size_t i = 0; i < n_runs; i++)
        text[i] = runs[i].handle[strlen(runs[i].handle) - 1];
    text[n_runs] = '\0';
    return text;
}

struct inflight *inflight;
struct ledger *ledger;
size_t n_changes;

static void on_changed(void *userdata)
{
    n_changes++;
}

void take(const char *groups)
{
    CLEANUP(sqs_reply_unref) struct sqs_reply *reply = fake_received(groups, "h");

    inflight_add(inflight, reply, fake_now_usec);
}

void set_up_with_linger(bool is_fifo, unsigned concurrency, uint64_t linger_usec,
                        const char *groups)
{
    fake_reset();
    memset(runs, 0, sizeof(runs));
    n_runs = n_changes = 0;
    run_error = 0;
    is_quick = ends_late = is_unreached = false;
    assert_int_equal(inflight_new(NULL, &handler, ledger,
                                  &(struct inflight_options){
                                      .is_fifo = is_fifo,
                                      .visibility_sec = 30,
                                      .concurrency = concurrency,
                                      .delete_linger_usec = linger_usec,
                                      .retry_delay_usec = 5 * SEC,
                                      .retry_delay_max_usec = 60 * SEC,
                                  },
                                  on_changed, NULL, &inflight),
                     0);
    take(groups);
}

void set_up(bool is_fifo, unsigned concurrency, const char *groups)
{
    set_up_with_linger(is_fifo, concurrency, 0, groups);
}

int tear_down(void **state)
{
    inflight = inflight_free(inflight);
    for (size_t i = 0; i < n_runs; i++)
        assert_false(runs[i].is_running);
    fake_reset();
    return 0;
}

uint64_t dispatch(void)
{
    uint64_t next = 0;

    assert_int_equal(inflight_dispatch(inflight, &next), 0);
    return next;
}

const char *answer_open(void)
{
    static char request[4096];

    for (size_t i = 0; i < fake_n_calls; i++)
        if (fake_calls[i].is_open) {
            CLEANUP(buffer_done) struct buffer json = BUFFER_INIT(4096);

            snprintf(request, sizeof(request), "%s", fake_request(i));
            buffer_append_string(&json, "{\"Successful\":[");
            for (size_t k = 0; k < fake_calls[i].request->n_entries; k++)
                buffer_printf(&json, "%s{\"Id\":\"%zu\"}", k > 0 ? "," : "", k);
            buffer_append_string(&json, "]}");
            fake_answer(i, json.data);
            return request;
        }
    fail_msg("no open call");
    return NULL;
}

void set_up_and_lose(bool is_fifo, const char *group)
{
    set_up(is_fifo, 10, group);
    ends_late = true;
    dispatch();
    fake_now_usec = T0 + 30 * SEC;
    dispatch();
    assert_true(runs[0].is_cancelled && runs[0].is_running);
}
